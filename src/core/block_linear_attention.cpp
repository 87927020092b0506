// Layers that keep a state instead of keys and values: short convolutions and gated delta rules.
#include "delta_rule.hpp"
#include "llmsize/core/graph_blocks.hpp"
#include "llmsize/core/recurrent_memory.hpp"

namespace llmsize {
namespace {

/// LFM2's operator: gates before and after a convolution over a few tokens.
void build_short_convolution(GraphContext& context, const GraphStep&) {
  auto& graph = context.graph();
  const SequenceLayout batch = sequence_layout(context);
  const std::int64_t sequences = batch.sequences;
  const std::int64_t tokens = batch.tokens_per_sequence;
  const std::int64_t width = graph.dimension(context.current(), 0);
  RecurrentMemory memory(context, RecurrentMemory::Part::shift);
  const TensorId rows = memory.load();
  const TensorId window = graph.reshape(rows, {memory.width() / width, width, sequences, 1});
  const TensorId in =
      linear(context, "shortconv.in_proj", graph.reshape(context.current(), {width, tokens, sequences, 1}));
  const auto third = [&] {
    return graph.view_3d(in, width, tokens, sequences, graph.stride(in, 1), graph.stride(in, 2));
  };
  const TensorId before = third();
  const TensorId after = third();
  const TensorId gated = graph.mul(before, third());
  const TensorId input = convolution_input(context, memory, window, gated);
  const TensorId convolved = graph.node(Operation::ssm_conv, tensor_type::f32, {width, tokens, sequences, 1},
                                        {input, context.weight("shortconv.conv")});
  const TensorId out = linear(context, "shortconv.out_proj", graph.mul(after, convolved));
  context.set_current(graph.reshape(out, {graph.dimension(out, 0), context.tokens(), 1, 1}));
}

/// Sizes of a gated delta rule, from the "ssm" hyperparameters.
struct DeltaSizes {
  std::int64_t convolution = 2;
  std::int64_t inner = 1;  ///< Width of all value heads.
  std::int64_t key_length = 1;
  std::int64_t key_heads = 1;
  std::int64_t value_heads = 1;

  [[nodiscard]] std::int64_t value_length() const { return inner / value_heads; }
};

DeltaSizes delta_sizes(GraphContext& context) {
  const auto& h = context.hyperparameters();
  const DeltaSizes sizes{h.integer("ssm.conv_kernel").value_or(0), h.integer("ssm.inner_size").value_or(0),
                         h.integer("ssm.state_size").value_or(0), h.integer("ssm.group_count").value_or(0),
                         h.integer("ssm.time_step_rank").value_or(0)};
  // Far above any model, and low enough that products of them stay within 64 bits.
  constexpr std::int64_t most = std::int64_t{1} << 20;
  const auto possible = [](std::int64_t size) { return size > 0 && size <= most; };
  if (sizes.convolution > 1 && possible(sizes.convolution) && possible(sizes.inner) &&
      possible(sizes.key_length) && possible(sizes.key_heads) && possible(sizes.value_heads) &&
      sizes.inner % sizes.value_heads == 0)
    return sizes;
  context.graph().refuse(
      ErrorCode::malformed, "the \"ssm\" sizes are missing or contradict each other",
      "The header must state ssm.conv_kernel, inner_size, state_size, group_count and time_step_rank.");
  return {};
}

}  // namespace

TensorId unit_rows(GraphBuilder& graph, TensorId x) {
  return graph.scale(graph.rms_norm(x));
}

TensorId run_delta_rule(GraphContext& context, RecurrentMemory& memory, const DeltaOperands& o) {
  auto& graph = context.graph();
  const SequenceLayout batch = sequence_layout(context);
  const std::int64_t sequences = batch.sequences;
  const std::int64_t tokens = batch.tokens_per_sequence;
  const std::int64_t length = graph.dimension(o.v, 0);
  const std::int64_t heads = graph.dimension(o.v, 1);
  const std::int64_t width = length * heads;
  const TensorId result = graph.node(Operation::gated_delta_net, tensor_type::f32,
                                     {width, tokens * sequences + length * sequences, 1, 1},
                                     {o.q, o.k, o.v, o.decay, o.beta, o.state});
  const std::int64_t element = graph.stride(result, 0);
  memory.store(graph.view(result, {length, length, heads, sequences},
                          {length * element, length * length * element, length * width * element}));
  return graph.view(result, {length, heads, tokens, sequences},
                    {length * element, width * element, width * tokens * element});
}

namespace {

TensorId linear_by_head(GraphContext& context, std::string_view name, TensorId x, Dimensions dimensions) {
  return context.graph().reshape(linear(context, name, x), dimensions);
}

/// Step sizes, [value heads, tokens, sequences], and write strengths, [.., tokens, sequences].
struct StepAndBeta {
  TensorId step, beta;
};

/// Both in one projection, grouped by key head (Qwen3-Next), or in one each.
StepAndBeta project_step_and_beta(GraphContext& context, TensorId x, const DeltaSizes& sizes) {
  auto& graph = context.graph();
  const SequenceLayout batch = sequence_layout(context);
  const std::int64_t sequences = batch.sequences;
  const std::int64_t tokens = batch.tokens_per_sequence;
  const Dimensions by_token{sizes.value_heads, tokens, sequences, 1};
  const Dimensions by_head{1, sizes.value_heads, tokens, sequences};
  if (!context.has("ssm_ba")) {
    const TensorId step = linear_by_head(context, "ssm_alpha", x, by_token);
    return {step, linear_by_head(context, "ssm_beta", x, by_head)};
  }
  const std::int64_t group = sizes.value_heads / sizes.key_heads;
  const TensorId both = linear_by_head(context, "ssm_ba", x, {2 * group, sizes.key_heads, tokens, sequences});
  const auto half = [&] {
    return graph.view(both, {group, sizes.key_heads, tokens, sequences},
                      {graph.stride(both, 1), graph.stride(both, 2), graph.stride(both, 3)});
  };
  const TensorId step = graph.cont(half(), by_token);
  return {step, graph.cont(half())};
}

/// Qwen's gated delta net, with query, key and value in one projection.
void build_gated_delta_net(GraphContext& context, const GraphStep& step) {
  auto& graph = context.graph();
  const DeltaSizes sizes = delta_sizes(context);
  const SequenceLayout batch = sequence_layout(context);
  const std::int64_t sequences = batch.sequences;
  const std::int64_t tokens = batch.tokens_per_sequence;
  const TensorId x = context.current();
  graph.expand(x);
  const std::int64_t channels = sizes.inner + 2 * sizes.key_heads * sizes.key_length;
  RecurrentMemory shift(context, RecurrentMemory::Part::shift);
  const TensorId window = graph.reshape(shift.load(), {sizes.convolution - 1, channels, sequences, 1});
  const LinearExtras extras{!step.has("unscaled"), true, false};
  const TensorId mixed =
      graph.reshape(linear(context, "attn_qkv", x, extras), {channels, tokens, sequences, 1});
  const TensorId input = convolution_input(context, shift, window, mixed, step.has("copied_window"));
  RecurrentMemory memory(context, RecurrentMemory::Part::state);
  const TensorId states = memory.load();
  const TensorId convolved =
      graph.unary(graph.node(Operation::ssm_conv, tensor_type::f32, {channels, tokens, sequences, 1},
                             {input, context.weight("ssm_conv1d")}));
  const auto heads_of = [&](std::int64_t length, std::int64_t heads) {
    return graph.view(
        convolved, {length, heads, tokens, sequences},
        {length * graph.stride(convolved, 0), graph.stride(convolved, 1), graph.stride(convolved, 2)});
  };
  DeltaOperands o{};
  o.q = unit_rows(graph, heads_of(sizes.key_length, sizes.key_heads));
  o.k = unit_rows(graph, heads_of(sizes.key_length, sizes.key_heads));
  o.v = heads_of(sizes.value_length(), sizes.value_heads);
  const StepAndBeta raw = project_step_and_beta(context, x, sizes);
  const TensorId rate = graph.unary(graph.add(raw.step, context.weight("ssm_dt", ".bias")));
  o.decay =
      graph.reshape(graph.mul(rate, context.weight("ssm_a", "")), {1, sizes.value_heads, tokens, sequences});
  o.beta = graph.unary(raw.beta);
  if (context.has("ssm_ba")) o.beta = graph.reshape(o.beta, {1, sizes.value_heads, tokens, sequences});
  o.state = graph.reshape(states, {sizes.value_length(), sizes.value_length(), sizes.value_heads, sequences});
  const TensorId output = run_delta_rule(context, memory, o);
  const TensorId normed = normalize(context, "ssm_norm", output);
  const TensorId z = graph.reshape(linear(context, "attn_gate", x, extras),
                                   {sizes.value_length(), sizes.value_heads, tokens, sequences});
  const TensorId gated = graph.mul(normed, graph.unary(z));
  const TensorId out =
      linear(context, "ssm_out", graph.reshape(gated, {sizes.inner, tokens, sequences, 1}), extras);
  context.set_current(graph.reshape(out, {graph.dimension(out, 0), context.tokens(), 1, 1}));
}

/// Attention whose query projection also yields a gate of the same width, head by head.
void build_gated_query_attention(GraphContext& context, const GraphStep& step) {
  auto& graph = context.graph();
  const Heads heads = context.heads();
  const TensorId x = context.current();
  const auto* indexer = context.attention_cache(context.layer(), AttentionCache::Kind::indexer);
  const auto* cache = context.attention_cache(context.layer());
  const bool sparse = step.has("pooled_indexer") && indexer != nullptr && cache != nullptr;
  const LinearExtras extras{true, !step.has("unbiased"), false};
  if (sparse) store_pooled_indexer(context, x, *indexer);
  TensorId both = linear(context, "attn_q", x, extras);
  const std::int64_t pair = 2 * heads.key_length * graph.stride(both, 0), row = graph.stride(both, 1);
  if (step.has("pairs_apart"))
    both = graph.reshape(both, {2 * heads.key_length, heads.count, context.tokens(), 1});
  const auto half = [&] {
    return graph.view_3d(both, heads.key_length, heads.count, context.tokens(), pair, row);
  };
  const TensorId factors = context.rope_factors();
  TensorId q = graph.rope(normalize(context, "attn_q_norm", half()), context.positions(), factors);
  TensorId k = graph.reshape(linear(context, "attn_k", x, extras),
                             {heads.key_length, heads.kv_count, context.tokens(), 1});
  k = graph.rope(normalize(context, "attn_k_norm", k), context.positions(), factors);
  const TensorId v = graph.reshape(linear(context, "attn_v", x, extras),
                                   {heads.value_length, heads.kv_count, context.tokens(), 1});
  AttendOptions options;
  if (sparse)
    options.mask = pooled_indexer_mask(context, x, *indexer, context.attention_inputs(*cache, heads).mask);
  const TensorId attended = attend(context, q, k, v, heads, options);
  const TensorId gate = graph.cont(half(), {heads.key_length * heads.count, context.tokens(), 1, 1});
  const TensorId gated = graph.mul(attended, graph.unary(gate));
  context.set_current(graph.with_role(linear(context, "attn_output", gated), Role::projected));
}

constexpr std::string_view delta_flags[] = {"unscaled", "copied_window"};
constexpr std::string_view gated_query_flags[] = {"pairs_apart", "pooled_indexer", "unbiased"};
constexpr GraphBlock blocks[] = {
    {"short_convolution", build_short_convolution, {}, 0},
    {"gated_delta_net", build_gated_delta_net, delta_flags, 0},
    {"gated_query_attention", build_gated_query_attention, gated_query_flags, 0},
};

}  // namespace

std::span<const GraphBlock> linear_attention_blocks() {
  return blocks;
}

}  // namespace llmsize
