// MiniMax-M3's sparse attention: an indexer scores blocks of cells, and each group of heads attends to the
// best.
#include <algorithm>

#include "llmsize/core/graph_blocks.hpp"

namespace llmsize {
namespace {

constexpr LinearExtras bare{false, false, false};

// The engine spans positions in steps of its cache's padding; a graph is reserved while the cache is empty,
// so for one step (llama.cpp v0.5.0, llama-kv-cache-msa).
constexpr std::int64_t reserved_positions = 256;

/// What all layers of one graph share.
struct BlockInputs {
  std::int64_t length = 1;     ///< Cells of one block.
  std::int64_t blocks = 1;     ///< Blocks of positions.
  std::int64_t positions = 1;  ///< Whole blocks of positions.
  std::int64_t chosen = 1;     ///< Blocks attended to.
  TensorId cell_of_position, position_mask, local_bias, block_of_cell;
};

BlockInputs block_inputs(GraphContext& context, const AttentionCache& cache) {
  const auto& hyper = context.hyperparameters();
  BlockInputs in;
  constexpr std::int64_t longest = std::int64_t{1} << 30;
  in.length = std::clamp<std::int64_t>(hyper.integer("attention.indexer.block_size").value_or(1), 1, longest);
  in.positions = (reserved_positions + in.length - 1) / in.length * in.length;
  in.blocks = in.positions / in.length;
  in.chosen =
      std::clamp<std::int64_t>(hyper.integer("attention.indexer.top_k").value_or(in.blocks), 1, in.blocks);
  const std::int64_t streams = std::max<std::int64_t>(1, cache.streams), tokens = context.tokens();
  in.cell_of_position =
      context.input_once("msa_position_cells", tensor_type::i32, {in.positions, streams, 1, 1});
  in.position_mask = context.input_once("msa_position_mask", tensor_type::f32, {in.positions, tokens, 1, 1});
  in.local_bias = context.input_once("msa_local_bias", tensor_type::f32, {in.blocks, tokens, 1, 1});
  in.block_of_cell = context.input_once("msa_cell_blocks", tensor_type::i32, {cache.cells, streams, 1, 1});
  return in;
}

/// The indexer's queries or keys: [length, heads, tokens].
TensorId project_indexer(GraphContext& context, std::string_view weight, std::string_view norm, TensorId x,
                         std::int64_t length) {
  auto& graph = context.graph();
  TensorId result = linear(context, weight, x, bare);
  const std::int64_t heads = graph.dimension(result, 0) / std::max<std::int64_t>(1, length);
  result = graph.reshape(result, {length, heads, graph.dimension(x, 1), 1});
  return graph.rope(normalize(context, norm, result), context.positions());
}

/// Rows that belong to one stream of an input made for all: [first, 1, rows].
TensorId rows_of_stream(GraphBuilder& graph, TensorId input, std::int64_t rows) {
  const std::int64_t row = graph.stride(input, 1);
  return graph.view_3d(input, graph.dimension(input, 0), 1, rows, row, row);
}

/// The scores of all blocks: [blocks, heads, tokens].
TensorId block_scores(GraphContext& context, TensorId keys, TensorId q, const BlockInputs& in) {
  auto& graph = context.graph();
  const auto d = graph.at(q).dimensions;
  const TensorId cells =
      graph.view(in.cell_of_position, {in.positions, 1, 1, 1},
                 {graph.stride(in.cell_of_position, 1), graph.stride(in.cell_of_position, 1),
                  graph.stride(in.cell_of_position, 1)});
  const TensorId by_position = graph.get_rows(keys, cells);
  const TensorId flat = graph.reshape(q, {d[0], d[1] * d[2], 1, 1});
  TensorId scores = graph.reshape(graph.mul_mat(by_position, flat), {in.positions, d[1], d[2], 1});
  scores = graph.add_in_place(scores, rows_of_stream(graph, in.position_mask, d[2]));
  return graph.node(Operation::pool_2d, tensor_type::f32, {in.blocks, d[1], d[2], 1}, {scores});
}

/// A mask over cells for each group of heads: [cells, tokens, 1, groups].
TensorId chosen_mask(GraphContext& context, TensorId scores, TensorId mask, const BlockInputs& in) {
  auto& graph = context.graph();
  const std::int64_t groups = graph.dimension(scores, 1), tokens = graph.dimension(scores, 2);
  const std::int64_t cells = graph.dimension(mask, 0);
  const TensorId bias = rows_of_stream(graph, in.local_bias, tokens);
  const TensorId best = graph.top_k(graph.add(scores, bias), in.chosen);
  const TensorId hidden =
      graph.repeat(graph.cast(graph.scale(bias), tensor_type::f16), {in.blocks, groups, tokens, 1});
  const TensorId shown = graph.scale(graph.cast(best, tensor_type::f32));
  TensorId blocks = graph.set_rows(graph.reshape(hidden, {1, in.blocks, groups * tokens, 1}),
                                   graph.reshape(shown, {1, in.chosen, groups * tokens, 1}),
                                   graph.reshape(best, {in.chosen, groups * tokens, 1, 1}));
  blocks = graph.reshape(blocks, {in.blocks, groups, tokens, 1});
  blocks = graph.cont(graph.permute(blocks, {0, 2, 1, 3}));
  const TensorId by_block =
      graph.cont(graph.transpose(graph.reshape(blocks, {in.blocks, tokens * groups, 1, 1})));
  const std::int64_t row = graph.stride(in.block_of_cell, 1);
  const TensorId spread =
      graph.get_rows(by_block, graph.view(in.block_of_cell, {cells, 1, 1, 1}, {row, row, row}));
  const TensorId by_cell = graph.reshape(graph.cont(graph.transpose(spread)), {cells, tokens, groups, 1});
  constexpr std::string_view wide_mask = "msa_wide_mask";
  if (!context.has_saved(wide_mask)) context.save(wide_mask, graph.cast(mask, tensor_type::f32));
  const TensorId wide = context.saved(wide_mask);
  const TensorId own = graph.view_3d(wide, cells, tokens, 1, graph.stride(wide, 1), graph.stride(wide, 3));
  const TensorId both = graph.add_in_place(by_cell, own);
  return graph.cast(graph.reshape(both, {cells, tokens, 1, groups}), tensor_type::f16);
}

/// Keys or values of one stream with the groups of heads last: [length, cells, 1, groups].
TensorId cached_groups(GraphBuilder& graph, TensorId cached) {
  const auto d = graph.at(cached).dimensions;
  const TensorId own =
      graph.view(cached, {d[0], d[1], d[2], 1},
                 {graph.stride(cached, 1), graph.stride(cached, 2), graph.stride(cached, 3)});
  return graph.permute(own, {0, 3, 1, 2});
}

TensorId attend_in_stream(GraphContext& context, TensorId q, TensorId k, TensorId v, TensorId mask) {
  auto& graph = context.graph();
  const auto d = graph.at(q).dimensions;
  const std::int64_t groups = std::max<std::int64_t>(1, graph.dimension(k, 3));
  const TensorId grouped = graph.reshape(q, {d[0], d[1] / groups, groups, d[2]});
  TensorId result = graph.flash_attention(graph.permute(grouped, {0, 2, 3, 1}), k, v, mask, no_tensor);
  graph.with_role(result, Role::attention_output);
  result = graph.permute(result, {0, 1, 3, 2});
  if (!graph.is_contiguous(result)) result = graph.cont(result);
  return graph.reshape(result, {d[0] * d[1], d[2], 1, 1});
}

}  // namespace

bool attends_to_blocks(const GraphContext& context) {
  const auto& run = context.run();
  return run.flash_attention && (run.sequences == 1 || !run.kv_unified) &&
         context.attention_cache(context.layer(), AttentionCache::Kind::indexer) != nullptr &&
         context.attention_cache(context.layer()) != nullptr;
}

TensorId attend_to_blocks(GraphContext& context, TensorId x, const Projected& projected, const Heads& heads) {
  auto& graph = context.graph();
  const auto& cache = *context.attention_cache(context.layer());
  const auto& index_cache = *context.attention_cache(context.layer(), AttentionCache::Kind::indexer);
  const std::int64_t length = index_cache.key_width;
  const TensorId index_q = project_indexer(context, "indexer.q_proj", "indexer.q_norm", x, length);
  const TensorId index_k = project_indexer(context, "indexer.k_proj", "indexer.k_norm", x, length);
  const TensorId indices =
      context.input_once("indexer_k_idxs", tensor_type::i64, {context.tokens(), 1, 1, 1});
  store_in_cache(graph, index_k, context.key_cache(index_cache), indices);
  const AttentionInputs inputs = context.attention_inputs(cache, heads);
  const TensorId q = rotate(graph, projected.q, inputs.key_rotation);
  const TensorId k = rotate(graph, projected.k, inputs.key_rotation);
  const TensorId v = rotate(graph, projected.v, inputs.value_rotation);
  for (const TensorId part : {q, k, v}) graph.expand(part);
  store_in_cache(graph, k, context.key_cache(cache), inputs.key_indices);
  store_in_cache(graph, v, context.value_cache(cache), inputs.value_indices);
  const TensorId keys = view_of_cache(graph, context.key_cache(cache), heads.key_length, heads.kv_count);
  const TensorId values =
      view_of_cache(graph, context.value_cache(cache), heads.value_length, heads.kv_count);
  const TensorId index_keys = view_of_cache(graph, context.key_cache(index_cache), length, 1);
  const BlockInputs in = block_inputs(context, cache);
  const std::int64_t streams = std::max<std::int64_t>(1, cache.streams);
  const std::int64_t tokens = context.tokens() / streams;
  const auto own_tokens = [&](TensorId all) {
    return graph.view_3d(all, graph.dimension(all, 0), graph.dimension(all, 1), tokens, graph.stride(all, 1),
                         graph.stride(all, 2));
  };
  TensorId result = no_tensor;
  for (std::int64_t stream = 0; stream < streams; ++stream) {
    const TensorId own_keys = graph.view_2d(index_keys, length, cache.cells, graph.stride(index_keys, 2));
    const TensorId scores = block_scores(context, own_keys, own_tokens(index_q), in);
    const TensorId mask = chosen_mask(context, scores, inputs.mask, in);
    const TensorId own = attend_in_stream(context, own_tokens(q), cached_groups(graph, keys),
                                          cached_groups(graph, values), mask);
    result = result == no_tensor ? own : graph.concat(result, own, 1);
  }
  return rotate(graph, result, inputs.value_rotation);
}

}  // namespace llmsize
