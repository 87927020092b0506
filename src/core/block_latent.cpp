// Multi-head latent attention with absorbed projections: all heads share one compressed key per token.
#include "llmsize/core/graph_blocks.hpp"

namespace llmsize {
namespace {

constexpr LinearExtras bare{false, false, false};

/// Queries, [length, heads, tokens]; most models project them through a low rank.
TensorId project_queries(GraphContext& context, TensorId x, std::int64_t length, std::int64_t heads) {
  auto& graph = context.graph();
  TensorId q = x;
  if (context.has("attn_q_a")) {
    q = normalize(context, "attn_q_a_norm", linear(context, "attn_q_a", x, bare));
    q = linear(context, "attn_q_b", q, bare);
  } else {
    q = linear(context, "attn_q", x, bare);
  }
  return graph.reshape(graph.with_role(q, Role::query), {length, heads, graph.dimension(x, 1), 1});
}

void build_latent_attention(GraphContext& context, const GraphStep& step) {
  auto& graph = context.graph();
  const auto& hyper = context.hyperparameters();
  const TensorId x = context.current();
  const std::int64_t heads = context.heads().count, tokens = graph.dimension(x, 1);
  const std::int64_t length = hyper.integer("attention.key_length_mla").value_or(0);
  const std::int64_t rotary = hyper.integer("rope.dimension_count").value_or(0);
  const std::int64_t latent = hyper.integer("attention.kv_lora_rank").value_or(0);
  const TensorId q = project_queries(context, x, length, heads);
  const auto part_of_q = [&](std::int64_t width) {
    return graph.view_3d(q, width, heads, tokens, graph.stride(q, 1), graph.stride(q, 2));
  };
  const TensorId compressed = graph.with_role(linear(context, "attn_kv_a_mqa", x, bare), Role::key);
  const std::int64_t row = graph.stride(compressed, 1);
  const TensorId q_rotary = graph.rope(part_of_q(rotary), context.positions(), context.rope_factors());
  const TensorId k_rotary = graph.rope(graph.view_3d(compressed, rotary, 1, tokens, row, row),
                                       context.positions(), context.rope_factors());
  const TensorId latents =
      normalize(context, "attn_kv_a_norm", graph.view_2d(compressed, latent, tokens, row));
  const TensorId absorbed =
      graph.mul_mat(context.weight("attn_k_b"), graph.permute(part_of_q(length - rotary), {0, 2, 1, 3}));
  TensorId queries = graph.concat(graph.permute(absorbed, {0, 2, 1, 3}), q_rotary, 0);
  const TensorId values = graph.reshape(latents, {latent, 1, tokens, 1});
  const TensorId keys = graph.concat(values, k_rotary, 0);
  if (step.has("temperature") && hyper.number("attention.temperature_scale").value_or(0) != 0)
    queries = graph.mul(queries, context.attention_scale());
  AttendOptions options;
  options.latent_values = context.weight("attn_v_b");
  const TensorId attended = attend_latent(context, queries, keys, values, options);
  context.set_current(
      graph.with_role(linear(context, "attn_output", attended, {true, !step.has("unbiased_output"), false}),
                      Role::projected));
}

constexpr std::string_view latent_flags[] = {"temperature", "unbiased_output"};
constexpr GraphBlock blocks[] = {{"latent_attention", build_latent_attention, latent_flags, 0}};

}  // namespace

std::span<const GraphBlock> latent_blocks() {
  return blocks;
}

}  // namespace llmsize
