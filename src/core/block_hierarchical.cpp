// Two stacks of layers that take turns over the same tokens, as in HRM-Text: the low stack several times,
// then the high one. Each turn has caches of its own and shares the stack's weights.
#include <algorithm>

#include "llmsize/core/graph_blocks.hpp"

namespace llmsize {
namespace {

struct Turn {
  int position;  ///< Of the layer in its stack.
  int stack_size;
  bool high;  ///< Whether it is the high stack's turn.
};

Turn turn_of(const GraphContext& context) {
  const auto& hyper = context.hyperparameters();
  const auto size = std::max<std::int64_t>(1, hyper.integer("hrm.layers_per_stack").value_or(1));
  const auto low_turns = std::max<std::int64_t>(1, hyper.integer("hrm.l_cycles").value_or(1));
  const std::int64_t stack = context.layer() / size;
  return {static_cast<int>(context.layer() % size), static_cast<int>(size),
          stack % (low_turns + 1) == low_turns};
}

/// At the start of a turn the stack takes the sum of both states.
void build_enter(GraphContext& context, const GraphStep&) {
  auto& graph = context.graph();
  const Turn turn = turn_of(context);
  context.borrow_weights_of(turn.position + (turn.high ? turn.stack_size : 0));
  if (turn.position != 0) return;
  if (!context.has_saved("high")) {
    context.save("high", context.current());
    context.save("low", context.global_weight("hrm.z_l_init", ""));
  }
  context.set_current(graph.add(context.saved("high"), context.saved("low")));
}

/// At its end the result, normalized, becomes the stack's state.
void build_leave(GraphContext& context, const GraphStep&) {
  const Turn turn = turn_of(context);
  if (turn.position != turn.stack_size - 1) return;
  context.set_current(context.graph().rms_norm(context.current()));
  context.save(turn.high ? "high" : "low", context.current());
}

constexpr GraphBlock blocks[] = {
    {"enter_stack", build_enter, {}, 0},
    {"leave_stack", build_leave, {}, 0},
};

}  // namespace

std::span<const GraphBlock> hierarchical_blocks() {
  return blocks;
}

}  // namespace llmsize
