// DeepSeek-V4's attention: a window of raw keys, which serve as values, too, and keys compressed from several
// tokens each. Compressors keep the tokens that do not fill a block yet; an indexer chooses among the finer
// blocks.
#include <algorithm>

#include "llmsize/core/graph_blocks.hpp"
#include "llmsize/core/recurrent_memory.hpp"

namespace llmsize {
namespace {

constexpr LinearExtras bare{false, false, false};
// The finer of the two ratios of tokens to a compressed key; its blocks overlap (llama.cpp v0.5.0).
constexpr std::int64_t fine_ratio = 4;

/// The name of one of the inputs that all compressors of a kind share.
struct CompressorInputs {
  std::string_view read, positions, write_positions, write_cells, kept_from, kept_to;
};
constexpr CompressorInputs fine_inputs{"dsv4_csa_read",        "dsv4_csa_pos",       "dsv4_csa_write_pos",
                                       "dsv4_csa_write_cells", "dsv4_csa_kept_from", "dsv4_csa_kept_to"};
constexpr CompressorInputs indexer_inputs{"dsv4_lid_read",        "dsv4_lid_pos",       "dsv4_lid_write_pos",
                                          "dsv4_lid_write_cells", "dsv4_lid_kept_from", "dsv4_lid_kept_to"};
constexpr CompressorInputs coarse_inputs{"dsv4_hca_read",        "dsv4_hca_pos",       "dsv4_hca_write_pos",
                                         "dsv4_hca_write_cells", "dsv4_hca_kept_from", "dsv4_hca_kept_to"};

struct Compressor {
  std::string_view keys, gate, bias, norm;  ///< Weights.
  RecurrentState::Kind state;
  AttentionCache::Kind cache;
  const CompressorInputs* inputs;
  bool rotates;  ///< The indexer spreads its keys' outliers.
};
constexpr Compressor fine_compressor{"attn_compressor_kv",
                                     "attn_compressor_gate",
                                     "attn_compressor_ape",
                                     "attn_compressor_norm",
                                     RecurrentState::Kind::compressor,
                                     AttentionCache::Kind::compressed,
                                     &fine_inputs,
                                     false};
constexpr Compressor indexer_compressor{"indexer_compressor_kv",
                                        "indexer_compressor_gate",
                                        "indexer_compressor_ape",
                                        "indexer_compressor_norm",
                                        RecurrentState::Kind::indexer_compressor,
                                        AttentionCache::Kind::indexer,
                                        &indexer_inputs,
                                        true};
constexpr Compressor coarse_compressor{"attn_compressor_kv",
                                       "attn_compressor_gate",
                                       "attn_compressor_ape",
                                       "attn_compressor_norm",
                                       RecurrentState::Kind::compressor,
                                       AttentionCache::Kind::compressed,
                                       &coarse_inputs,
                                       false};

/// Sizes of one compressor in one graph.
struct Blocks {
  std::int64_t ratio = 1;
  std::int64_t width = 1;   ///< Of a token's projection: twice the key where blocks overlap.
  std::int64_t length = 1;  ///< Of a compressed key.
  std::int64_t rows = 1;    ///< Tokens kept from before, of all sequences.
  std::int64_t count = 1;   ///< Keys written at most: whole blocks, and one begun before per sequence.

  [[nodiscard]] bool overlap() const { return width != length; }
};

Blocks sizes_of(GraphContext& context, const Compressor& compressor, std::int64_t ratio) {
  auto& graph = context.graph();
  Blocks b;
  b.ratio = ratio;
  b.width = std::max<std::int64_t>(1, graph.dimension(context.weight(compressor.keys), 1));
  b.length = std::max<std::int64_t>(1, graph.dimension(context.weight(compressor.norm), 0));
  const auto sequences = std::max<std::int64_t>(1, context.run().sequences);
  b.rows = (b.overlap() ? 2 : 1) * ratio * sequences;
  b.count = context.tokens() / ratio + sequences;
  return b;
}

TensorId rotation(GraphContext& context, std::int64_t length) {
  return context.input_once("dsv4_rotation", tensor_type::f32, {length, length, 1, 1});
}

/// The tokens of each block side by side: [tokens of a block, length, blocks].
TensorId gather_blocks(GraphContext& context, const Compressor& compressor, const Blocks& b, TensorId state,
                       TensorId now) {
  auto& graph = context.graph();
  const TensorId seen = graph.view_2d(state, b.width, b.rows, graph.stride(state, 1));
  TensorId all = graph.concat(seen, now, 1);
  const std::int64_t in_block = (b.overlap() ? 2 : 1) * b.ratio;
  const TensorId ids =
      context.input_once(compressor.inputs->read, tensor_type::i32, {in_block * b.count, 1, 1, 1});
  TensorId blocks = no_tensor;
  if (!b.overlap()) {
    blocks = graph.reshape(graph.get_rows(all, ids), {b.length, b.ratio, b.count, 1});
  } else {
    // A row of nothing stands for the block before the first.
    const std::int64_t row = graph.stride(all, 1);
    const TensorId nothing = graph.scale(graph.view(all, {b.width, 1, 1, 1}, {row, row, row}));
    all = graph.concat(all, graph.reshape(nothing, {b.width, 1, 1, 1}), 1);
    const TensorId rows = graph.get_rows(all, ids);
    const auto half = [&] {
      const TensorId part = graph.view_2d(rows, b.length, b.ratio * b.count, graph.stride(rows, 1));
      return graph.reshape(graph.cont(part), {b.length, b.ratio, b.count, 1});
    };
    const TensorId before = half();
    blocks = graph.concat(before, half(), 1);
  }
  return graph.cont(graph.permute(blocks, {1, 0, 2, 3}));
}

/// Compresses what came together, writes the keys, and keeps the tokens of unfinished blocks.
void compress(GraphContext& context, TensorId x, const Compressor& compressor, std::int64_t ratio) {
  auto& graph = context.graph();
  const auto* cache = context.attention_cache(context.layer(), compressor.cache);
  if (cache == nullptr) return;
  const Blocks b = sizes_of(context, compressor, ratio);
  const auto& in = *compressor.inputs;
  const TensorId kept_keys =
      graph.external("cache_compressor_keys", tensor_type::f32, {b.width, b.rows, 1, 1});
  const TensorId kept_scores =
      graph.external("cache_compressor_scores", tensor_type::f32, {b.width, b.rows, 1, 1});
  const auto seen = [&](TensorId kept) {
    return graph.view_2d(kept, b.width, b.rows, graph.stride(kept, 1));
  };
  const TensorId keys = linear(context, compressor.keys, x, bare);
  const TensorId gathered = gather_blocks(context, compressor, b, seen(kept_keys), keys);
  const TensorId token_positions =
      context.input_once(in.positions, tensor_type::i32, {context.tokens(), 1, 1, 1});
  const TensorId scores = graph.add(linear(context, compressor.gate, x, bare),
                                    graph.get_rows(context.weight(compressor.bias), token_positions));
  const TensorId shares = graph.soft_max(gather_blocks(context, compressor, b, seen(kept_scores), scores));
  TensorId key = graph.sum_rows(graph.mul(gathered, shares));
  key = graph.cont(graph.permute(key, {1, 0, 2, 3}));
  key = normalize(context, compressor.norm, key);
  key = graph.rope(key, context.input_once(in.write_positions, tensor_type::i32, {b.count, 1, 1, 1}));
  if (compressor.rotates) key = rotate(graph, key, rotation(context, b.length));
  store_in_cache(graph, key, context.key_cache(*cache),
                 context.input_once(in.write_cells, tensor_type::i64, {b.count, 1, 1, 1}));
  const std::int64_t kept = std::min(b.rows, context.tokens());
  const TensorId from = context.input_once(in.kept_from, tensor_type::i32, {kept, 1, 1, 1});
  const TensorId to = context.input_once(in.kept_to, tensor_type::i32, {kept, 1, 1, 1});
  graph.expand(graph.set_rows(seen(kept_keys), graph.get_rows(keys, from), to));
  graph.expand(graph.set_rows(seen(kept_scores), graph.get_rows(scores, from), to));
}

TensorId compressed_mask(GraphContext& context, std::string_view name, const AttentionCache& cache,
                         TensorType type) {
  const std::int64_t streams = std::max<std::int64_t>(1, cache.streams);
  return context.input_once(name, type, {cache.cells, context.tokens() / streams, 1, streams});
}

/// The mask over fine blocks: those that the indexer scores best.
TensorId chosen_blocks(GraphContext& context, TensorId x, TensorId low_rank_q, const AttentionCache& cache,
                       const AttentionCache& index_cache) {
  auto& graph = context.graph();
  const auto& hyper = context.hyperparameters();
  const std::int64_t length = std::max<std::int64_t>(1, index_cache.key_width);
  const std::int64_t streams = std::max<std::int64_t>(1, cache.streams), tokens = context.tokens();
  TensorId q = linear(context, "indexer.attn_q_b", low_rank_q, bare);
  const std::int64_t heads = graph.dimension(q, 0) / length;
  q = graph.rope(graph.reshape(q, {length, heads, tokens, 1}), context.positions());
  q = rotate(graph, q, rotation(context, length));
  q = graph.view(q, {length, heads, tokens / streams, streams},
                 {graph.stride(q, 1), graph.stride(q, 2), graph.stride(q, 3) / streams});
  const TensorId cached = view_of_cache(graph, context.key_cache(index_cache), length, 1);
  const TensorId k = graph.view(cached, graph.at(cached).dimensions,
                                {graph.stride(cached, 1), graph.stride(cached, 2), graph.stride(cached, 3)});
  TensorId weights = graph.scale(linear(context, "indexer.proj", x, bare));
  const std::int64_t row = graph.stride(weights, 1), per_stream = tokens / streams;
  weights = graph.view(weights, {heads, per_stream, 1, streams}, {row, row * per_stream, row * per_stream});
  const TensorId index_mask = compressed_mask(context, "dsv4_lid_mask", index_cache, tensor_type::f16);
  const TensorId scores =
      graph.node(Operation::lightning_indexer, tensor_type::f32, {index_cache.cells, per_stream, 1, streams},
                 {q, k, weights, index_mask});
  const std::int64_t most = hyper.integer("attention.indexer.top_k").value_or(index_cache.cells);
  const TensorId best = graph.cont(graph.top_k(scores, std::clamp<std::int64_t>(most, 1, index_cache.cells)));
  const TensorId mask = compressed_mask(context, "dsv4_csa_mask", cache, context.mask_type());
  return mask_all_but(context, best, mask, context.mask_type());
}

/// Takes the rotation out of the result again, then projects it in groups of heads and all together.
void project_output(GraphContext& context, TensorId attended, const Heads& heads) {
  auto& graph = context.graph();
  const std::int64_t tokens = graph.dimension(attended, 1);
  TensorId x = graph.reshape(attended, {heads.key_length, heads.count, tokens, 1});
  x = graph.rope_back(x, context.positions());
  TensorId first = context.weight("attn_output_a");
  const std::int64_t width = std::max<std::int64_t>(1, graph.dimension(first, 0));
  const std::int64_t groups =
      std::max<std::int64_t>(1, graph.elements(x) / std::max<std::int64_t>(1, tokens) / width);
  // Files hold the groups' matrices in one; the engine loads them apart.
  const std::int64_t rank = graph.elements(first) / width / groups;
  first = graph.external(graph.at(first).name, graph.at(first).type, {width, rank, groups, 1});
  x = graph.permute(graph.reshape(x, {width, groups, tokens, 1}), {0, 2, 1, 3});
  x = graph.permute(graph.mul_mat(first, x), {0, 2, 1, 3});
  x = graph.cont(x, {graph.dimension(x, 0) * groups, tokens, 1, 1});
  context.set_current(graph.with_role(linear(context, "attn_output_b", x, bare), Role::projected));
}

void build_compressed_attention(GraphContext& context, const GraphStep&) {
  auto& graph = context.graph();
  const TensorId x = context.current();
  const auto* raw = context.attention_cache(context.layer());
  if (raw == nullptr) {
    graph.refuse(ErrorCode::malformed, "compressed attention stands on a layer without a cache",
                 "Mend the architecture's \"cache\" or \"graph\" section.");
    return;
  }
  const Heads heads = context.heads();
  const std::int64_t tokens = context.tokens();
  const std::int64_t ratio =
      context.hyperparameters().integer("attention.compress_ratios", context.layer()).value_or(0);
  const auto* compressed = context.attention_cache(context.layer(), AttentionCache::Kind::compressed);
  const auto* index_cache = context.attention_cache(context.layer(), AttentionCache::Kind::indexer);
  const bool fine = ratio == fine_ratio && index_cache != nullptr;
  if (compressed != nullptr) {
    compress(context, x, fine ? fine_compressor : coarse_compressor, ratio);
    if (fine) compress(context, x, indexer_compressor, ratio);
  }
  const TensorId low_rank_q =
      normalize(context, "attn_q_a_norm", graph.with_role(linear(context, "attn_q_a", x, bare), Role::query));
  TensorId q = graph.reshape(graph.with_role(linear(context, "attn_q_b", low_rank_q, bare), Role::query),
                             {heads.key_length, heads.count, tokens, 1});
  q = graph.rope(graph.rms_norm(q), context.positions());
  TensorId k =
      normalize(context, "attn_kv_a_norm", graph.with_role(linear(context, "attn_kv", x, bare), Role::key));
  k = graph.rope(graph.reshape(k, {heads.key_length, 1, tokens, 1}), context.positions());
  const AttentionInputs inputs = context.attention_inputs(*raw, {});
  for (const TensorId part : {q, k}) graph.expand(part);
  store_in_cache(graph, k, context.key_cache(*raw), inputs.key_indices);
  TensorId keys = view_of_cache(graph, context.key_cache(*raw), heads.key_length, 1);
  TensorId mask = inputs.mask;
  if (compressed != nullptr) {
    const TensorId cached = view_of_cache(graph, context.key_cache(*compressed), heads.key_length, 1);
    const TensorId own =
        graph.view(cached, graph.at(cached).dimensions,
                   {graph.stride(cached, 1), graph.stride(cached, 2), graph.stride(cached, 3)});
    keys = graph.concat(keys, own, 2);
    const TensorId other = fine ? chosen_blocks(context, x, low_rank_q, *compressed, *index_cache)
                                : compressed_mask(context, "dsv4_hca_mask", *compressed, context.mask_type());
    mask = graph.concat(mask, other, 0);
  }
  AttendOptions options;
  options.sinks = context.find("attn_sinks");
  project_output(context, attend_over(context, q, keys, keys, mask, options), heads);
}

/// The raw window's mask is made before anything else.
void build_masks(GraphContext& context, const GraphStep&) {
  for (int layer = 0; layer < context.layer_count(); ++layer)
    if (const auto* raw = context.attention_cache(layer); raw != nullptr) {
      context.graph().expand(context.attention_inputs(*raw, {}).mask);
      return;
    }
}

constexpr GraphBlock blocks[] = {{"compressed_masks", build_masks, {}, 0},
                                 {"compressed_attention", build_compressed_attention, {}, 0}};

}  // namespace

std::span<const GraphBlock> compressed_attention_blocks() {
  return blocks;
}

}  // namespace llmsize
