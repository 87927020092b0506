// MiniMax-01's lightning attention: linear attention with a fixed decay per head and a matrix as state.
#include "llmsize/core/graph_blocks.hpp"
#include "llmsize/core/recurrent_memory.hpp"

namespace llmsize {
namespace {

constexpr LinearExtras bare{false, false, false};

/// How the decays of one micro-batch enter; all layers share the inputs.
struct DecayInputs {
  TensorId queries, pairs, slopes, keys;
};

DecayInputs decay_inputs(GraphContext& context, std::int64_t heads) {
  const SequenceLayout batch = sequence_layout(context);
  const std::int64_t tokens = batch.tokens_per_sequence, sequences = batch.sequences;
  return {context.input_once("q_decay_exp", tensor_type::f32, {1, heads, tokens, sequences}),
          context.input_once("diag_decay_exp", tensor_type::f32, {tokens, tokens, heads, sequences}),
          context.input_once("slopes", tensor_type::f32, {heads, 1, 1, 1}),
          context.input_once("k_decay_exp", tensor_type::f32, {1, heads, tokens, sequences})};
}

/// exp(rate * exponents): the layer's own rate scales the shared exponents.
TensorId decay(GraphBuilder& graph, TensorId exponents) {
  return graph.unary(graph.scale(exponents));
}

void build_lightning(GraphContext& context, const GraphStep&) {
  auto& graph = context.graph();
  const SequenceLayout batch = sequence_layout(context);
  const std::int64_t tokens = batch.tokens_per_sequence, sequences = batch.sequences;
  const Heads heads = context.heads();
  const std::int64_t length = heads.key_length;
  constexpr std::int64_t most = std::int64_t{1} << 20;
  if (length < 1 || length > most || heads.count < 1 || heads.count > most) {
    graph.refuse(ErrorCode::malformed, "the head sizes of the lightning attention are missing or impossible");
    return;
  }
  RecurrentMemory nothing(context, RecurrentMemory::Part::shift);
  nothing.load();
  RecurrentMemory memory(context, RecurrentMemory::Part::state);
  const TensorId old = graph.reshape(memory.load(), {length, length, heads.count, sequences});
  const DecayInputs inputs = decay_inputs(context, heads.count);
  const std::int64_t width = graph.dimension(context.current(), 0);
  const TensorId x = graph.reshape(context.current(), {width, tokens, 1, sequences});
  const TensorId all = graph.reshape(graph.unary(linear(context, "attn_qkv", x, bare)),
                                     {3 * length, heads.count, tokens, sequences});
  const auto part = [&] {
    return graph.view(all, {length, heads.count, tokens, sequences},
                      {graph.stride(all, 1), graph.stride(all, 2), graph.stride(all, 3)});
  };
  const TensorId q = part(), k = part(), v = part();
  const TensorId decayed_q = graph.mul(q, decay(graph, inputs.queries));
  const TensorId from_before = graph.mul_mat(old, graph.permute(decayed_q, {0, 2, 1, 3}));
  const TensorId by_token = graph.cont(graph.permute(v, {1, 2, 0, 3}));
  const TensorId scores = graph.with_role(
      graph.mul_mat(graph.permute(k, {0, 2, 1, 3}), graph.permute(q, {0, 2, 1, 3})), Role::attention_scores);
  const TensorId from_now = graph.mul_mat(by_token, graph.mul(scores, decay(graph, inputs.pairs)));
  const TensorId mixed = graph.with_role(graph.add(from_before, from_now), Role::attention_output);
  graph.expand(mixed);

  const TensorId kept = graph.unary(graph.scale(graph.scale(inputs.slopes)));
  const TensorId aged = graph.mul(old, graph.reshape(kept, {1, 1, heads.count, 1}));
  const TensorId decayed_k = graph.mul(k, decay(graph, inputs.keys));
  const TensorId k_by_token = graph.cont(graph.permute(decayed_k, {1, 2, 0, 3}));
  memory.store(graph.add(aged, graph.mul_mat(k_by_token, by_token)));

  const TensorId gate = graph.unary(linear(context, "attn_gate", x, bare));
  TensorId y = graph.cont(graph.permute(mixed, {0, 2, 1, 3}));
  y = normalize(context, "attn_norm_2",
                graph.reshape(y, {saturating_multiply(length, heads.count), tokens, 1, sequences}));
  const TensorId out = linear(context, "attn_output", graph.mul(gate, y), bare);
  context.set_current(graph.reshape(out, {graph.dimension(out, 0), context.tokens(), 1, 1}));
}

constexpr GraphBlock blocks[] = {{"lightning_attention", build_lightning, {}, 0}};

}  // namespace

std::span<const GraphBlock> lightning_blocks() {
  return blocks;
}

}  // namespace llmsize
