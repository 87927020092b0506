// Kimi's delta attention: a gated delta rule whose queries, keys and values each pass a short convolution.
#include "delta_rule.hpp"
#include "llmsize/core/graph_blocks.hpp"
#include "llmsize/core/recurrent_memory.hpp"

namespace llmsize {
namespace {

constexpr LinearExtras bare{false, false, false};

struct Sizes {
  std::int64_t heads = 1;
  std::int64_t length = 1;  ///< Of one head.
  std::int64_t taps = 2;    ///< Of the convolutions.

  [[nodiscard]] std::int64_t channels() const { return heads * length; }
};

Sizes sizes_of(GraphContext& context) {
  const auto& h = context.hyperparameters();
  // A recurrent layer's own head count is 0, so the first layer's holds for all.
  const Sizes sizes{h.head_count(0), h.integer("kda.head_dim").value_or(0),
                    h.integer("ssm.conv_kernel").value_or(0)};
  constexpr std::int64_t most = std::int64_t{1} << 20;
  if (sizes.heads > 0 && sizes.heads < most && sizes.length > 0 && sizes.length < most && sizes.taps > 1 &&
      sizes.taps < most)
    return sizes;
  context.graph().refuse(ErrorCode::malformed, "the sizes of the delta attention are missing or impossible",
                         "The header must state attention.head_count, kda.head_dim and ssm.conv_kernel.");
  return {};
}

/// One projection with its part of the convolutions' window, which is kept for the next micro-batch; joined:
/// [window + tokens per sequence, channels, sequences].
TensorId project_and_join(GraphContext& context, RecurrentMemory& memory, TensorId rows,
                          std::string_view weight, const Sizes& sizes) {
  auto& graph = context.graph();
  const SequenceLayout batch = sequence_layout(context);
  const std::int64_t element = graph.stride(rows, 0);
  const TensorId window =
      graph.view_3d(rows, sizes.taps - 1, sizes.channels(), batch.sequences, (sizes.taps - 1) * element,
                    saturating_multiply(memory.width(), element));
  const TensorId x = graph.reshape(linear(context, weight, context.current(), bare),
                                   {sizes.channels(), batch.tokens_per_sequence, batch.sequences, 1});
  return convolution_input(context, memory, window, x);
}

/// By head: [length, heads, tokens per sequence, sequences].
TensorId convolve(GraphContext& context, TensorId joined, std::string_view weight, const Sizes& sizes) {
  auto& graph = context.graph();
  const SequenceLayout batch = sequence_layout(context);
  const TensorId kernel = graph.reshape(context.weight(weight), {sizes.taps, sizes.channels(), 1, 1});
  TensorId x =
      graph.node(Operation::ssm_conv, tensor_type::f32,
                 {sizes.channels(), batch.tokens_per_sequence, batch.sequences, 1}, {joined, kernel});
  x = graph.unary(graph.reshape(x, {sizes.channels(), context.tokens(), 1, 1}));
  return graph.reshape(x, {sizes.length, sizes.heads, batch.tokens_per_sequence, batch.sequences});
}

/// A projection through a low rank where the model has both halves.
TensorId project_low_rank(GraphContext& context, std::string_view first, std::string_view second,
                          TensorId x) {
  x = linear(context, first, x, bare);
  return context.has(second) ? linear(context, second, x, bare) : x;
}

/// How fast each channel forgets. "bounded" models squash it between 0 and a limit, one of them after turning
/// the sign around.
TensorId decay(GraphContext& context, const GraphStep& step, const Sizes& sizes) {
  auto& graph = context.graph();
  const SequenceLayout batch = sequence_layout(context);
  const Dimensions by_head{sizes.length, sizes.heads, context.tokens(), 1};
  TensorId g = project_low_rank(context, "ssm_f_a", "ssm_f_b", context.current());
  g = graph.add(g, context.weight("ssm_dt", ".bias"));
  const auto times_rate = [&](TensorId x) {
    return graph.mul(x, graph.reshape(context.weight("ssm_a", ""), {1, sizes.heads, 1, 1}));
  };
  const auto bound = step.value("bounded");
  if (bound.empty()) {
    g = times_rate(graph.reshape(graph.unary(g), by_head));
  } else {
    g = times_rate(graph.reshape(g, by_head));
    if (bound == "negated") g = graph.scale(g);
    g = graph.scale(graph.unary(g));
  }
  return graph.reshape(g, {sizes.length, sizes.heads, batch.tokens_per_sequence, batch.sequences});
}

TensorId output_gate(GraphContext& context, const GraphStep& step, const Sizes& sizes) {
  auto& graph = context.graph();
  const SequenceLayout batch = sequence_layout(context);
  TensorId x = context.current();
  const std::int64_t width = graph.dimension(x, 0);
  if (step.has("gate_by_sequence"))
    x = graph.reshape(graph.reshape(x, {width, batch.tokens_per_sequence, batch.sequences, 1}),
                      {width, context.tokens(), 1, 1});
  const TensorId gate = context.has("ssm_g") ? linear(context, "ssm_g", x, bare)
                                             : project_low_rank(context, "ssm_g_a", "ssm_g_b", x);
  return graph.unary(graph.reshape(gate, {sizes.length, sizes.heads, context.tokens(), 1}));
}

void build_kimi_delta(GraphContext& context, const GraphStep& step) {
  auto& graph = context.graph();
  const Sizes sizes = sizes_of(context);
  const SequenceLayout batch = sequence_layout(context);
  if (!step.has("expand_late")) graph.expand(context.current());
  RecurrentMemory windows(context, RecurrentMemory::Part::shift);
  const TensorId rows = windows.load();
  const TensorId q = project_and_join(context, windows, rows, "attn_q", sizes);
  const TensorId k = project_and_join(context, windows, rows, "attn_k", sizes);
  const TensorId v = project_and_join(context, windows, rows, "attn_v", sizes);
  RecurrentMemory memory(context, RecurrentMemory::Part::state);
  const TensorId states = memory.load();
  DeltaOperands o{};
  o.q = unit_rows(graph, convolve(context, q, "ssm_conv1d_q", sizes));
  o.k = unit_rows(graph, convolve(context, k, "ssm_conv1d_k", sizes));
  o.v = convolve(context, v, "ssm_conv1d_v", sizes);
  o.decay = decay(context, step, sizes);
  o.beta = graph.unary(graph.reshape(linear(context, "ssm_beta", context.current(), bare),
                                     {1, sizes.heads, batch.tokens_per_sequence, batch.sequences}));
  o.state = graph.reshape(states, {sizes.length, sizes.length, sizes.heads, batch.sequences});
  TensorId output = graph.cont(run_delta_rule(context, memory, o));
  output = graph.reshape(output, {sizes.length, sizes.heads, context.tokens(), 1});
  const TensorId normed = normalize(context, "ssm_norm", output);
  const TensorId gated = graph.mul(normed, output_gate(context, step, sizes));
  const TensorId flat = graph.cont(gated, {sizes.channels(), context.tokens(), 1, 1});
  context.set_current(graph.with_role(linear(context, "attn_output", flat, bare), Role::projected));
}

constexpr std::string_view flags[] = {"bounded=", "gate_by_sequence", "expand_late"};
constexpr GraphBlock blocks[] = {{"kimi_delta", build_kimi_delta, flags, 0}};

}  // namespace

std::span<const GraphBlock> kimi_delta_blocks() {
  return blocks;
}

}  // namespace llmsize
