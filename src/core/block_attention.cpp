// Attention with grouped queries, with or without the engine's fused operation.
#include <algorithm>

#include <fmt/format.h>

#include "llmsize/core/graph_blocks.hpp"

namespace llmsize {

TensorId rotate(GraphBuilder& graph, TensorId x, TensorId rotation) {
  if (rotation == no_tensor || x == no_tensor) return x;
  const std::int64_t length = graph.dimension(rotation, 0);
  const Dimensions dimensions = graph.at(x).dimensions;
  const Dimensions rows{length, graph.elements(x) / length, 1, 1};
  const TensorId flat = graph.is_contiguous(x) ? graph.reshape(x, rows) : graph.cont(x, rows);
  return graph.reshape(graph.mul_mat(rotation, flat), dimensions);
}

namespace {

/// Seen as one row per token; x is [length, heads, tokens] with adjacent heads.
TensorId merged_rows(GraphBuilder& graph, TensorId x) {
  return graph.view_2d(x, graph.dimension(x, 0) * graph.dimension(x, 1), graph.dimension(x, 2),
                       graph.stride(x, 2));
}

TensorId all_streams(GraphBuilder& graph, TensorId cache) {
  if (graph.dimension(cache, 2) == 1) return cache;
  return graph.reshape(
      cache, {graph.dimension(cache, 0), graph.dimension(cache, 1) * graph.dimension(cache, 2), 1, 1});
}

void store_keys(GraphBuilder& graph, TensorId k, TensorId cache, TensorId indices) {
  const TensorId rows = merged_rows(graph, k);
  graph.expand(graph.set_rows(all_streams(graph, cache), rows, indices));
}

/// Without flash attention values lie transposed in the cache, element by element.
void store_values_transposed(GraphBuilder& graph, TensorId v, TensorId cache, TensorId indices) {
  const std::int64_t width = graph.dimension(v, 0) * graph.dimension(v, 1);
  const Dimensions flat{width, graph.dimension(v, 2), 1, 1};
  const bool adjacent = graph.stride(v, 2) == width * graph.at(v).type.layout().bytes;
  TensorId rows = adjacent ? graph.reshape(v, flat) : graph.cont(v, flat);
  if (width < graph.dimension(cache, 0)) rows = graph.pad(rows, {graph.dimension(cache, 0) - width, 0, 0, 0});
  rows = graph.reshape(rows, {1, graph.elements(rows), 1, 1});
  const TensorId elements = graph.reshape(cache, {1, graph.elements(cache), 1, 1});
  graph.expand(graph.set_rows(elements, rows, indices));
}

TensorId cached_keys(GraphBuilder& graph, TensorId cache, std::int64_t length, std::int64_t heads) {
  const auto type = graph.at(cache).type;
  const std::int64_t row = type.row_size(graph.dimension(cache, 0)).value();
  return graph.view(
      cache, {length, heads, graph.dimension(cache, 1), graph.dimension(cache, 2)},
      {type.row_size(length).value(), row, saturating_multiply(row, graph.dimension(cache, 1))});
}

TensorId cached_values_transposed(GraphBuilder& graph, TensorId cache, std::int64_t length,
                                  std::int64_t heads) {
  const std::int64_t cells = graph.dimension(cache, 1);
  const std::int64_t element = graph.at(cache).type.layout().bytes;
  const std::int64_t column = saturating_multiply(cells, element);
  return graph.view(
      cache, {cells, heads, length, graph.dimension(cache, 2)},
      {saturating_multiply(column, length), column, saturating_multiply(column, graph.dimension(cache, 0))});
}

TensorId flash(GraphContext& context, TensorId q, TensorId k, TensorId v, TensorId mask,
               const AttendOptions& options) {
  auto& graph = context.graph();
  if (graph.at(k).type == tensor_type::f32) k = graph.cast(k, tensor_type::f16);
  if (graph.at(v).type == tensor_type::f32) v = graph.cast(v, tensor_type::f16);
  TensorId result = graph.flash_attention(q, k, v, mask, options.sinks);
  graph.with_role(result, Role::attention_output);
  if (options.latent_values != no_tensor) {
    result = graph.mul_mat(options.latent_values, graph.permute(result, {0, 2, 1, 3}));
    result = graph.cont(graph.permute(result, {0, 2, 1, 3}));
  }
  const auto d = graph.at(result).dimensions;
  return graph.reshape(result, {d[0] * d[1], d[2] * d[3], 1, 1});
}

TensorId scores_times_values(GraphContext& context, TensorId q, TensorId k, TensorId v, TensorId mask,
                             bool transposed, const AttendOptions& options) {
  auto& graph = context.graph();
  TensorId scores = graph.with_role(graph.mul_mat(k, q), Role::attention_scores);
  for (int i = 0; i < options.softcap_scales; ++i) scores = graph.scale(scores);
  if (options.softcap_scales > 0) scores = graph.scale(graph.unary(scores));
  if (options.score_bias != no_tensor) scores = graph.add(scores, options.score_bias);
  scores = graph.with_role(graph.soft_max(scores, mask, options.sinks), Role::attention_scores);
  if (!transposed) v = graph.cont(graph.transpose(v));
  TensorId weighted = graph.mul_mat(v, scores);
  if (options.latent_values != no_tensor) weighted = graph.mul_mat(options.latent_values, weighted);
  weighted = graph.permute(weighted, {0, 2, 1, 3});
  const auto d = graph.at(weighted).dimensions;
  return graph.with_role(graph.cont(weighted, {d[0] * d[1], d[2] * d[3], 1, 1}), Role::attention_output);
}

}  // namespace

TensorId attend_over(GraphContext& context, TensorId q, TensorId k, TensorId v, TensorId mask,
                     const AttendOptions& options) {
  auto& graph = context.graph();
  const bool transposed = graph.stride(v, 1) > graph.stride(v, 2);
  const std::int64_t streams = graph.dimension(k, 3);
  const auto d = graph.at(q).dimensions;
  q = graph.view(q, {d[0], d[1], d[2] / streams, streams},
                 {graph.stride(q, 1), graph.stride(q, 2), graph.stride(q, 3) / streams});
  q = graph.permute(q, {0, 2, 1, 3});
  k = graph.permute(k, {0, 2, 1, 3});
  v = graph.permute(v, {0, 2, 1, 3});
  const bool fused = context.run().flash_attention && options.score_bias == no_tensor;
  if (fused && transposed) v = graph.transpose(v);
  const TensorId result = fused ? flash(context, q, k, v, mask, options)
                                : scores_times_values(context, q, k, v, mask, transposed, options);
  graph.expand(result);
  return result;
}

namespace {

TensorId attend_without_cache(GraphContext& context, TensorId q, TensorId k, TensorId v,
                              const AttendOptions& options) {
  auto& graph = context.graph();
  for (const TensorId x : {q, k, v}) graph.expand(x);
  const auto tokens = context.tokens();
  const TensorId mask = context.input_once("attn_inp_kq_mask", context.mask_type(), {tokens, tokens, 1, 1});
  return attend_over(context, q, k, v, mask, options);
}

}  // namespace

TensorId attend_latent(GraphContext& context, TensorId q, TensorId k, TensorId v,
                       const AttendOptions& options) {
  auto& graph = context.graph();
  const auto* cache = context.attention_cache(context.layer());
  if (cache == nullptr) return attend_without_cache(context, q, k, v, options);
  const AttentionInputs inputs = context.attention_inputs(*cache, {});
  for (const TensorId x : {q, v, k}) graph.expand(x);
  const TensorId key_cache = context.key_cache(*cache);
  store_keys(graph, k, key_cache, inputs.key_indices);
  const TensorId keys = cached_keys(graph, key_cache, graph.dimension(k, 0), 1);
  const auto d = graph.at(keys).dimensions;
  const TensorId values = graph.view(keys, {graph.dimension(v, 0), d[1], d[2], d[3]},
                                     {graph.stride(keys, 1), graph.stride(keys, 2), graph.stride(keys, 3)});
  const TensorId mask = options.mask == no_tensor ? inputs.mask : options.mask;
  return attend_over(context, q, keys, values, mask, options);
}

void store_in_cache(GraphBuilder& graph, TensorId rows, TensorId cache, TensorId indices) {
  store_keys(graph, rows, cache, indices);
}

TensorId view_of_cache(GraphBuilder& graph, TensorId cache, std::int64_t length, std::int64_t heads) {
  return cached_keys(graph, cache, length, heads);
}

TensorId attend(GraphContext& context, TensorId q, TensorId k, TensorId v, const Heads& heads,
                const AttendOptions& options) {
  const int layer = options.cache_layer < 0 ? context.layer() : options.cache_layer;
  const auto* cache = context.attention_cache(layer);
  if (cache == nullptr) return attend_without_cache(context, q, k, v, options);
  auto& graph = context.graph();
  const AttentionInputs inputs = context.attention_inputs(*cache, heads);
  q = rotate(graph, q, inputs.key_rotation);
  if (options.store) {
    k = rotate(graph, k, inputs.key_rotation);
    v = rotate(graph, v, inputs.value_rotation);
  }
  const TensorId key_cache = context.key_cache(*cache);
  const TensorId value_cache = context.value_cache(*cache);
  const bool transposed = !context.run().flash_attention;
  graph.expand(q);
  if (options.store) {
    const bool keys_first = options.keys_first || context.has_sliding_layers();
    graph.expand(keys_first ? k : v);
    graph.expand(keys_first ? v : k);
    store_keys(graph, k, key_cache, inputs.key_indices);
    if (transposed)
      store_values_transposed(graph, v, value_cache, inputs.value_indices);
    else
      store_keys(graph, v, value_cache, inputs.value_indices);
  }
  const TensorId keys = cached_keys(graph, key_cache, heads.key_length, heads.kv_count);
  const TensorId values =
      transposed ? cached_values_transposed(graph, value_cache, heads.value_length, heads.kv_count)
                 : cached_keys(graph, value_cache, heads.value_length, heads.kv_count);
  const TensorId result =
      attend_over(context, q, keys, values, options.mask == no_tensor ? inputs.mask : options.mask, options);
  return rotate(graph, result, inputs.value_rotation);
}

namespace {

NormKind qk_norm_kind(const GraphStep& step) {
  return step.has("qk_layer_norm") ? NormKind::layer : NormKind::rms;
}

TensorId norm_if_present(GraphContext& context, std::string_view name, TensorId x, const GraphStep& step) {
  return context.has(name) || step.has("qk_norm_always") ? normalize(context, name, x, qk_norm_kind(step))
                                                         : x;
}

struct Projection {
  std::string_view name;
  std::string_view norm;
  std::int64_t length;
  std::int64_t heads;
  Role role;
};

TensorId project_one(GraphContext& context, const Projection& projection, TensorId x, const GraphStep& step,
                     bool clamped) {
  auto& graph = context.graph();
  const LinearExtras extras{!step.has("unscaled_qkv"), !step.has("unbiased_qkv"), false};
  TensorId result = graph.with_role(linear(context, projection.name, x, extras), projection.role);
  if (clamped) result = graph.clamp(result);
  if (step.has("qk_norm_flat") && !projection.norm.empty())
    result = norm_if_present(context, projection.norm, result, step);
  return graph.reshape(result, {projection.length, projection.heads, graph.dimension(x, 1), 1});
}

Projected project_fused(GraphContext& context, TensorId x, const Heads& heads, const GraphStep& step,
                        bool clamped) {
  auto& graph = context.graph();
  const LinearExtras extras{!step.has("unscaled_qkv"), !step.has("unbiased_qkv"), false};
  TensorId all = graph.with_role(linear(context, "attn_qkv", x, extras), Role::query);
  if (clamped) all = graph.clamp(all);
  const std::int64_t element = graph.at(all).type.layout().bytes;
  const std::int64_t tokens = graph.dimension(all, 1);
  const std::int64_t row = graph.stride(all, 1);
  if (step.has("heads_in_one"))
    all = graph.reshape(all, {heads.key_length, heads.count + 2 * heads.kv_count, tokens, 1});
  const auto part = [&](std::int64_t length, std::int64_t count) {
    return graph.view_3d(all, length, count, tokens, length * element, row);
  };
  const TensorId q = part(heads.key_length, heads.count);
  const TensorId k = part(heads.key_length, heads.kv_count);
  return {q, k, part(heads.value_length, heads.kv_count)};
}

}  // namespace

Projected project_qkv(GraphContext& context, TensorId x, const Heads& heads, const GraphStep& step) {
  const bool clamped =
      step.has("clamp") && context.hyperparameters().number("attention.clamp_kqv").value_or(0) > 0;
  if (context.has("attn_qkv")) return project_fused(context, x, heads, step, clamped);
  const Projection q{"attn_q", "attn_q_norm", heads.key_length, heads.count, Role::query};
  const Projection k{"attn_k", "attn_k_norm", heads.key_length, heads.kv_count, Role::key};
  const Projection v{"attn_v", "", heads.value_length, heads.kv_count, Role::value};
  const TensorId keys = project_one(context, k, x, step, clamped);
  // Some layers of Gemma 4 attend to their keys, so they have no weight for values.
  const bool keys_are_values = step.has("values_may_be_keys") && !context.has("attn_v");
  return {project_one(context, q, x, step, clamped), keys,
          keys_are_values ? keys : project_one(context, v, x, step, clamped)};
}

TensorId gate_heads(GraphContext& context, TensorId attended, TensorId x, const Heads& heads) {
  auto& graph = context.graph();
  const TensorId gate = graph.unary(graph.mul_mat(context.weight("attn_gate"), x));
  if (graph.dimension(gate, 0) != heads.count) return graph.mul(attended, gate);
  const std::int64_t tokens = graph.dimension(attended, 1);
  const TensorId by_head = graph.reshape(attended, {heads.value_length, heads.count, tokens, 1});
  const TensorId gated = graph.mul(by_head, graph.reshape(gate, {1, heads.count, tokens, 1}));
  return graph.reshape(gated, graph.at(attended).dimensions);
}

namespace {

bool uses_rope(const GraphContext& context, const GraphStep& step) {
  const auto when = step.value("rope", "always");
  if (when == "never") return false;
  if (when == "sliding") return context.is_sliding();
  if (when == "sliding_if_any") return context.is_sliding() || !context.has_sliding_layers();
  if (when == "not_every_4th") return (context.layer() + 1) % 4 != 0;
  // Llama 4 without chunks ropes every layer.
  if (when == "not_every_4th_of_chunked")
    return !context.has_sliding_layers() || (context.layer() + 1) % 4 != 0;
  return true;
}

/// Attention over the cache of an earlier layer: only queries are computed.
void build_shared_attention(GraphContext& context, const GraphStep& step) {
  auto& graph = context.graph();
  const Heads heads = context.heads();
  const Projection projection{"attn_q", "attn_q_norm", heads.key_length, heads.count, Role::query};
  TensorId q = project_one(context, projection, context.current(), step, false);
  q = norm_if_present(context, "attn_q_norm", q, step);
  q = graph.rope(q, context.positions(), context.rope_factors());
  AttendOptions options;
  options.cache_layer = context.layer_of_shared_cache();
  options.store = false;
  context.set_current(attend(context, q, no_tensor, no_tensor, heads, options));
  context.set_current(graph.with_role(linear(context, "attn_output", context.current()), Role::projected));
}

void build_attention(GraphContext& context, const GraphStep& step) {
  if (step.has("shared_cache") && context.attention_cache(context.layer()) == nullptr &&
      context.layer_of_shared_cache() >= 0)
    return build_shared_attention(context, step);
  auto& graph = context.graph();
  const Heads heads = context.heads();
  const TensorId x = context.current();
  auto [q, k, v] = project_qkv(context, x, heads, step);
  const bool norm_last = step.has("norm_after_rope");
  const auto norm_heads = [&, &q = q, &k = k] {
    q = norm_if_present(context, "attn_q_norm", q, step);
    k = norm_if_present(context, "attn_k_norm", k, step);
  };
  if (!norm_last && !step.has("qk_norm_flat") && !step.has("no_qk_norm")) norm_heads();
  if (step.has("unit_norm_values")) v = graph.rms_norm(v);
  if (uses_rope(context, step)) {
    const TensorId factors = context.rope_factors();
    q = graph.rope(q, context.positions(), factors);
    k = graph.rope(k, context.positions(), factors);
  }
  if (norm_last) norm_heads();
  // Llama 4 with 128 experts leaves this out, as the engine's list of model types says.
  if (step.has("unit_norm_after_rope") && uses_rope(context, step) &&
      context.hyperparameters().expert_count() != 128) {
    q = graph.rms_norm(q);
    k = graph.rms_norm(k);
  }
  if (step.has("scale_q")) q = graph.scale(q);
  if (step.has("temperature_without_rope") && !uses_rope(context, step))
    q = graph.mul(q, context.attention_scale());
  if (step.has("temperature") &&
      context.hyperparameters().number("attention.temperature_scale").value_or(0) != 0)
    q = graph.mul(q, context.attention_scale());
  AttendOptions options;
  if (step.has("sinks")) options.sinks = context.find("attn_sinks");
  if (step.has("softcap")) options.softcap_scales = 1;
  const bool by_blocks = step.has("block_sparse") && attends_to_blocks(context);
  TensorId attended =
      by_blocks ? attend_to_blocks(context, x, {q, k, v}, heads) : attend(context, q, k, v, heads, options);
  if (step.has("gate") || (step.has("gate_if_present") && context.has("attn_gate")))
    attended = gate_heads(context, attended, x, heads);
  context.set_current(attended);
  const LinearExtras extras{true, !step.has("unbiased_output"), false};
  if (!step.has("no_projection"))
    context.set_current(
        graph.with_role(linear(context, "attn_output", context.current(), extras), Role::projected));
}

constexpr std::string_view attention_flags[] = {"rope=",
                                                "clamp",
                                                "qk_layer_norm",
                                                "norm_after_rope",
                                                "scale_q",
                                                "sinks",
                                                "softcap",
                                                "no_projection",
                                                "temperature",
                                                "unscaled_qkv",
                                                "qk_norm_flat",
                                                "no_qk_norm",
                                                "heads_in_one",
                                                "unbiased_output",
                                                "gate",
                                                "gate_if_present",
                                                "qk_norm_always",
                                                "unit_norm_after_rope",
                                                "temperature_without_rope",
                                                "shared_cache",
                                                "values_may_be_keys",
                                                "unit_norm_values",
                                                "unbiased_qkv",
                                                "block_sparse"};
constexpr GraphBlock blocks[] = {{"attention", build_attention, attention_flags, 0}};

}  // namespace

std::span<const GraphBlock> attention_blocks() {
  return blocks;
}

}  // namespace llmsize
