// Multi-head latent attention with absorbed projections: all heads share one compressed key per token.
#include <algorithm>

#include "llmsize/core/graph_blocks.hpp"

namespace llmsize {
namespace {

constexpr LinearExtras bare{false, false, false};

/// Queries of all heads, one row per token; most models project them through a low rank.
TensorId project_queries(GraphContext& context, TensorId x) {
  auto& graph = context.graph();
  TensorId q = x;
  if (context.has("attn_q_a")) {
    q = normalize(context, "attn_q_a_norm", linear(context, "attn_q_a", x, bare));
    context.save("low_rank_queries", q);
    q = linear(context, "attn_q_b", q, bare);
  } else {
    q = linear(context, "attn_q", x, bare);
  }
  return graph.with_role(q, Role::query);
}

/// Inputs of the sparse indexer's own cache, whose keys most models rotate.
struct IndexerInputs {
  TensorId indices, mask, rotation;
};

IndexerInputs indexer_inputs(GraphContext& context, const AttentionCache& cache, std::int64_t length) {
  const std::int64_t streams = std::max<std::int64_t>(1, cache.streams);
  return {context.input_once("indexer_k_idxs", tensor_type::i64, {context.tokens(), 1, 1, 1}),
          // The fused operation reads F16, with or without flash attention.
          context.input_once("indexer_mask", tensor_type::f16,
                             {cache.cells, context.tokens() / streams, 1, streams}),
          context.input_once("indexer_rotation", tensor_type::f32, {length, length, 1, 1})};
}

/// Writes the indexer's keys of this layer.
void store_indexer_keys(GraphContext& context, TensorId x, const AttentionCache& cache, bool rotated) {
  auto& graph = context.graph();
  const std::int64_t length = cache.key_width;
  const IndexerInputs inputs = indexer_inputs(context, cache, length);
  TensorId k =
      normalize(context, "indexer.k_norm", linear(context, "indexer.attn_k", x, bare), NormKind::layer);
  k = graph.rope(graph.reshape(k, {length, 1, graph.dimension(x, 1), 1}), context.positions());
  if (rotated) k = graph.mul_mat(inputs.rotation, k);
  store_in_cache(graph, k, context.key_cache(cache), inputs.indices);
}

/// Which cells each token attends to, [count, tokens, 1, streams].
TensorId best_cells(GraphContext& context, TensorId x, const AttentionCache& cache, bool rotated) {
  auto& graph = context.graph();
  const auto& hyper = context.hyperparameters();
  const std::int64_t length = cache.key_width, streams = std::max<std::int64_t>(1, cache.streams);
  const std::int64_t heads = hyper.integer("attention.indexer.head_count").value_or(0);
  const std::int64_t tokens = context.tokens(), per_stream = tokens / streams;
  const IndexerInputs inputs = indexer_inputs(context, cache, length);
  TensorId q = linear(context, "indexer.attn_q_b", context.saved("low_rank_queries"), bare);
  q = graph.rope(graph.reshape(q, {length, heads, tokens, 1}), context.positions());
  if (rotated) q = graph.mul_mat(inputs.rotation, q);
  q = graph.view(q, {length, heads, per_stream, streams},
                 {graph.stride(q, 1), graph.stride(q, 2), graph.stride(q, 3) / streams});
  const TensorId k = view_of_cache(graph, context.key_cache(cache), length, 1);
  TensorId weights = linear(context, "indexer.proj", x, bare);
  const std::int64_t row = graph.stride(weights, 1);
  weights = graph.scale(
      graph.view(weights, {heads, per_stream, 1, streams}, {row, row * per_stream, row * per_stream}));
  const TensorId scores = graph.node(Operation::lightning_indexer, tensor_type::f32,
                                     {cache.cells, per_stream, 1, streams}, {q, k, weights, inputs.mask});
  const std::int64_t most = hyper.integer("attention.indexer.top_k").value_or(cache.cells);
  return graph.cont(graph.top_k(scores, std::min(most, cache.cells)));
}

}  // namespace

TensorId mask_all_but(GraphContext& context, TensorId cells, TensorId mask, TensorType zeros_type) {
  auto& graph = context.graph();
  const auto m = graph.at(mask).dimensions;
  const auto c = graph.at(cells).dimensions;
  const TensorId hidden = graph.fill(mask);
  const TensorId single =
      graph.view(hidden, {1, m[0], m[1], m[3]},
                 {graph.stride(hidden, 0), graph.stride(hidden, 1), graph.stride(hidden, 2)});
  const TensorId ids =
      graph.view(cells, {c[0], c[1], c[3], 1},
                 {graph.stride(cells, 1), graph.stride(cells, 2), graph.stride(cells, 3) * c[3]});
  const TensorId zeros = graph.fill(graph.input("zeros", zeros_type, {1, c[0], c[1], c[3]}));
  const TensorId shown = graph.set_rows(single, zeros, ids);
  const TensorId whole = graph.view(shown, {m[0], m[1], 1, m[3]},
                                    {graph.stride(shown, 2), graph.stride(shown, 3), graph.stride(shown, 3)});
  return graph.add(whole, mask);
}

namespace {

/// Widths of latent attention, which sliding layers may have of their own, so the weights say them.
struct LatentWidths {
  std::int64_t latent = 0;  ///< The compressed part of a key.
  std::int64_t rotary = 0;  ///< The part that rotates.
  std::int64_t query = 0;   ///< One head's query before absorption.
};

LatentWidths latent_widths(GraphContext& context) {
  auto& graph = context.graph();
  const std::int64_t heads = std::max<std::int64_t>(1, context.heads().count);
  LatentWidths widths;
  widths.latent = graph.dimension(context.weight("attn_kv_a_norm"), 0);
  widths.rotary = graph.dimension(context.weight("attn_kv_a_mqa"), 1) - widths.latent;
  widths.query = graph.dimension(context.weight(context.has("attn_q_a") ? "attn_q_b" : "attn_q"), 1) / heads;
  return widths;
}

/// One factor per head, made from the layer's input.
TensorId gate_each_head(GraphContext& context, TensorId attended, TensorId x, std::int64_t heads) {
  auto& graph = context.graph();
  const auto flat = graph.at(attended).dimensions;
  const std::int64_t length = flat[0] / std::max<std::int64_t>(1, heads);
  const TensorId by_head = graph.reshape(attended, {length, heads, flat[1], 1});
  const TensorId gate = graph.reshape(linear(context, "attn_gate", x, bare), {1, heads, flat[1], 1});
  return graph.cont(graph.mul(by_head, graph.unary(gate)), flat);
}

void build_latent_attention(GraphContext& context, const GraphStep& step) {
  auto& graph = context.graph();
  const auto& hyper = context.hyperparameters();
  const TensorId x = context.current();
  const std::int64_t heads = context.heads().count, tokens = graph.dimension(x, 1);
  const LatentWidths widths = latent_widths(context);
  const std::int64_t latent = widths.latent, rotary = widths.rotary, length = widths.query;
  const bool rotated = !step.has("unrotated_indexer");
  const auto* indexer = context.attention_cache(context.layer(), AttentionCache::Kind::indexer);
  if (step.has("indexer") && indexer != nullptr) store_indexer_keys(context, x, *indexer, rotated);
  TensorId q = project_queries(context, x);
  if (!step.has("indexer") && !step.has("flat_queries")) q = graph.reshape(q, {length, heads, tokens, 1});
  const std::int64_t element = graph.at(q).type.layout().bytes;
  const auto part_of_q = [&](std::int64_t width) {
    return graph.view_3d(q, width, heads, tokens, length * element, length * heads * element);
  };
  const TensorId compressed = graph.with_role(linear(context, "attn_kv_a_mqa", x, bare), Role::key);
  const std::int64_t row = graph.stride(compressed, 1);
  const bool ropes = step.value("rope") != "never";
  TensorId q_rotary = part_of_q(rotary);
  if (ropes) q_rotary = graph.rope(q_rotary, context.positions(), context.rope_factors());
  TensorId k_rotary = graph.view_3d(compressed, rotary, 1, tokens, row, row);
  if (step.has("key_norm")) k_rotary = normalize(context, "attn_k_norm", k_rotary);
  if (ropes) k_rotary = graph.rope(k_rotary, context.positions(), context.rope_factors());
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
  if (step.has("sinks")) options.sinks = context.find("attn_sinks");
  const auto* cache = context.attention_cache(context.layer());
  // Layers without an indexer attend to the cells that the last one chose, unless they have a window.
  if (step.has("indexer") && cache != nullptr && !context.is_sliding()) {
    if (indexer != nullptr) context.save("best_cells", best_cells(context, x, *indexer, rotated));
    options.mask =
        mask_all_but(context, context.saved("best_cells"), context.attention_inputs(*cache, {}).mask);
  }
  TensorId attended = attend_latent(context, queries, keys, values, options);
  if (step.has("gate_by_head")) attended = gate_each_head(context, attended, x, heads);
  if (step.has("gate")) {
    const std::int64_t value_length = graph.dimension(attended, 0) / std::max<std::int64_t>(1, heads);
    attended = gate_heads(context, attended, x, {heads, 1, length, value_length});
  }
  context.set_current(
      graph.with_role(linear(context, "attn_output", attended,
                             {!step.has("unscaled_output"), !step.has("unbiased_output"), false}),
                      Role::projected));
}

/// The same mathematics with keys and values written out per head, as in the usual cache (MiniCPM3).
void build_expanded_latent_attention(GraphContext& context, const GraphStep& step) {
  auto& graph = context.graph();
  const TensorId x = context.current();
  Heads heads = context.heads();
  heads.kv_count = heads.count;
  const std::int64_t tokens = graph.dimension(x, 1);
  const auto [latent, rotary, length] = latent_widths(context);
  const std::int64_t fixed = length - rotary;  // Elements of a key that do not rotate.
  const TensorId factors = context.rope_factors();
  // The engine rotates the end of each query in one piece.
  TensorId q = graph.reshape(project_queries(context, x), {length, heads.count, tokens, 1});
  q = graph.rope(q, context.positions(), factors);
  const TensorId compressed = graph.with_role(linear(context, "attn_kv_a_mqa", x, bare), Role::key);
  const std::int64_t row = graph.stride(compressed, 1);
  const TensorId latents =
      normalize(context, "attn_kv_a_norm", graph.view_2d(compressed, latent, tokens, row));
  const TensorId expanded = linear(context, "attn_kv_b", latents, bare);
  const std::int64_t head = saturating_multiply(graph.stride(expanded, 0), fixed + heads.value_length);
  const auto part = [&](std::int64_t width) {
    return graph.view_3d(expanded, width, heads.count, tokens, head, graph.stride(expanded, 1));
  };
  const TensorId v = graph.cont(part(heads.value_length));
  const TensorId k_rotary =
      graph.rope(graph.view_3d(compressed, rotary, 1, tokens, row, row), context.positions(), factors);
  const TensorId k = graph.concat(part(fixed), graph.repeat(k_rotary, {rotary, heads.count, tokens, 1}), 0);
  const TensorId attended = attend(context, q, k, v, heads, {});
  context.set_current(
      graph.with_role(linear(context, "attn_output", attended, {true, !step.has("unbiased_output"), false}),
                      Role::projected));
}

constexpr std::string_view latent_flags[] = {
    "temperature",     "unbiased_output", "indexer", "key_norm",     "gate",        "unrotated_indexer",
    "unscaled_output", "sinks",           "rope=",   "flat_queries", "gate_by_head"};
constexpr std::string_view expanded_flags[] = {"unbiased_output"};
constexpr GraphBlock blocks[] = {
    {"latent_attention", build_latent_attention, latent_flags, 0},
    {"expanded_latent_attention", build_expanded_latent_attention, expanded_flags, 0},
};

}  // namespace

std::span<const GraphBlock> latent_blocks() {
  return blocks;
}

}  // namespace llmsize
