// Qwen4-exp's sparse attention: an indexer scores blocks of tokens by their mean key, and attention sees the
// cells of the best blocks.
#include <algorithm>

#include "llmsize/core/graph_blocks.hpp"

namespace llmsize {
namespace {

constexpr LinearExtras bare{false, false, false};

/// Sizes of one layer's indexer.
struct Pooled {
  std::int64_t length;  ///< Of a key.
  std::int64_t ratio;   ///< Cells of one block.
  std::int64_t blocks;  ///< In one stream.
  std::int64_t cells;   ///< In one stream.
  std::int64_t streams;
  std::int64_t tokens;  ///< In one stream.
};

Pooled sizes_of(const GraphContext& context, const AttentionCache& cache) {
  const std::int64_t said =
      context.hyperparameters().integer("attention.compress_ratios", context.layer()).value_or(1);
  Pooled sizes{};
  sizes.length = std::max<std::int64_t>(1, cache.key_width);
  sizes.cells = std::max<std::int64_t>(1, cache.cells);
  // Unrolled in the graph; the engine's own models pool four cells.
  constexpr std::int64_t most_pooled = 256;
  sizes.ratio = std::clamp<std::int64_t>(said, 1, std::min(most_pooled, sizes.cells));
  sizes.blocks = sizes.cells / sizes.ratio;
  sizes.streams = std::max<std::int64_t>(1, cache.streams);
  sizes.tokens = context.tokens() / sizes.streams;
  return sizes;
}

/// The blocks' keys: [length, blocks, streams].
TensorId pooled_keys(GraphContext& context, const AttentionCache& cache, const Pooled& p) {
  auto& graph = context.graph();
  const TensorId cached = view_of_cache(graph, context.key_cache(cache), p.length, 1);
  const TensorId keys =
      graph.view_3d(cached, p.length, p.cells, p.streams, graph.stride(cached, 2), graph.stride(cached, 3));
  const TensorId cells_of_blocks =
      context.input_once("indexer_block_cells", tensor_type::i32, {p.ratio * p.blocks, p.streams, 1, 1});
  const TensorId members =
      graph.reshape(graph.get_rows(keys, cells_of_blocks), {p.length, p.ratio, p.blocks, p.streams});
  TensorId mean = no_tensor;
  for (std::int64_t i = 0; i < p.ratio; ++i) {
    const TensorId one = graph.cont(graph.view_3d(members, p.length, p.blocks, p.streams,
                                                  graph.stride(members, 2), graph.stride(members, 3)));
    mean = mean == no_tensor ? one : graph.add(mean, one);
  }
  const std::int64_t all = p.blocks * p.streams;
  mean = normalize(context, "indexer.k_norm", graph.reshape(graph.scale(mean), {p.length, all, 1, 1}));
  constexpr std::int64_t sections = 4;  // M-RoPE's positions per block.
  const TensorId positions =
      context.input_once("indexer_block_positions", tensor_type::i32, {sections * all, 1, 1, 1});
  const TensorId rotated = graph.rope(graph.reshape(mean, {p.length, 1, all, 1}), positions);
  return graph.reshape(rotated, {p.length, p.blocks, p.streams, 1});
}

/// The rectified scores of all heads, summed: [blocks, tokens, streams].
TensorId block_scores(GraphContext& context, TensorId x, TensorId keys, const Pooled& p) {
  auto& graph = context.graph();
  TensorId q = linear(context, "indexer.q_proj", x, bare);
  const std::int64_t heads = graph.dimension(q, 0) / p.length;
  // Unrolled in the graph; the engine's own models have at most 64.
  constexpr std::int64_t most_heads = 1024;
  if (heads < 1 || heads > most_heads) {
    graph.refuse(ErrorCode::malformed, "indexer.q_proj.weight does not hold 1 to 1024 heads");
    return keys;
  }
  q = normalize(context, "indexer.q_norm", graph.reshape(q, {p.length, heads, context.tokens(), 1}));
  q = graph.reshape(graph.rope(q, context.positions()), {p.length, heads * p.tokens, p.streams, 1});
  const TensorId by_head =
      graph.unary(graph.reshape(graph.mul_mat(keys, q), {p.blocks, heads, p.tokens, p.streams}));
  const auto head = [&] {
    return graph.view_3d(by_head, p.blocks, p.tokens, p.streams, graph.stride(by_head, 2),
                         graph.stride(by_head, 3));
  };
  TensorId sum = graph.cont(head());
  for (std::int64_t i = 1; i < heads; ++i) sum = graph.add(sum, head());
  return sum;
}

}  // namespace

void store_pooled_indexer(GraphContext& context, TensorId x, const AttentionCache& cache) {
  auto& graph = context.graph();
  const TensorId k =
      graph.reshape(linear(context, "indexer.k_proj", x, bare), {cache.key_width, 1, context.tokens(), 1});
  store_in_cache(graph, k, context.key_cache(cache),
                 context.input_once("indexer_k_idxs", tensor_type::i64, {context.tokens(), 1, 1, 1}));
}

TensorId pooled_indexer_mask(GraphContext& context, TensorId x, const AttentionCache& cache, TensorId mask) {
  auto& graph = context.graph();
  const Pooled p = sizes_of(context, cache);
  const TensorId scores = block_scores(context, x, pooled_keys(context, cache, p), p);
  const TensorId bias =
      context.input_once("indexer_block_bias", tensor_type::f32, {p.blocks, p.tokens, p.streams, 1});
  const TensorId by_token = graph.cont(graph.permute(graph.add(scores, bias), {1, 0, 2, 3}));
  const TensorId block_of_cell =
      context.input_once("indexer_cell_blocks", tensor_type::i32, {p.cells, p.streams, 1, 1});
  const TensorId by_cell = graph.cont(graph.permute(graph.get_rows(by_token, block_of_cell), {1, 0, 2, 3}));
  const TensorId wide = graph.at(mask).type == tensor_type::f32 ? mask : graph.cast(mask, tensor_type::f32);
  const TensorId seen = graph.add(by_cell, graph.reshape(wide, {p.cells, p.tokens, p.streams, 1}));
  const std::int64_t most = context.hyperparameters().integer("attention.indexer.top_k").value_or(p.cells);
  // Whole blocks, and what the last one lacks.
  const std::int64_t count = std::clamp<std::int64_t>((Bytes(most) + Bytes(p.ratio - 1)).value(), 1, p.cells);
  const TensorId best = graph.cont(graph.top_k(seen, count));
  return mask_all_but(context, graph.reshape(best, {count, p.tokens, 1, p.streams}), mask);
}

}  // namespace llmsize
