#pragma once
#include "llmsize/core/recurrent_memory.hpp"

namespace llmsize {

/// What the delta rule reads, each [.., heads, tokens per sequence, sequences].
struct DeltaOperands {
  TensorId q, k, v, decay, beta, state;
};

/// The engine's L2 norm of q and k: the mean square over the width, scaled.
TensorId unit_rows(GraphBuilder& graph, TensorId x);

/// Runs the rule, stores the new state, and shows the output: [value length, value heads, tokens, sequences].
TensorId run_delta_rule(GraphContext& context, RecurrentMemory& memory, const DeltaOperands& operands);

}  // namespace llmsize
