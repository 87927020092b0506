#include "llmsize/core/cache.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "cache_state.hpp"
#include "llmsize/core/architecture.hpp"
#include "llmsize/core/model.hpp"
#include "llmsize/core/tensor_template.hpp"

namespace llmsize {
namespace {

// The cells of windowed and compressed caches come in multiples of this.
constexpr std::int64_t cell_padding = 256;
// DeepSeek-V4's two ratios of tokens to cells (llama.cpp v0.5.0, llama-kv-cache-dsv4).
constexpr std::int64_t fine_ratio = 4;
constexpr std::int64_t coarse_ratio = 128;

constexpr std::string_view window_key = "attention.sliding_window";
constexpr std::string_view pattern_key = "attention.sliding_window_pattern";
constexpr std::string_view indexer_width_key = "attention.indexer.key_length";

std::int64_t times(std::int64_t a, std::int64_t b) {
  return saturating_multiply(a, b);
}

std::int64_t pad_cells(std::int64_t cells) {
  return align_up(Bytes(cells), cell_padding).value();
}

/// Width of the window, 0 where the model has none.
std::int64_t window_width(const SlidingWindowRule& rule, const Hyperparameters& h) {
  if (rule.only_with_layers != 0 && h.main_layer_count() != rule.only_with_layers) return 0;
  const auto said = h.integer(window_key);
  if (rule.off_when_zero && h.has(window_key) && !said) return 0;
  if (rule.optional && !said) return 0;
  return rule.fixed ? rule.default_window : said.value_or(rule.default_window);
}

bool windowed(const SlidingWindowRule& rule, const Hyperparameters& h, int layer) {
  if (window_width(rule, h) == 0) return false;
  if (rule.every_layer) return true;
  if (h.list(pattern_key) != nullptr) return h.integer(pattern_key, layer).value_or(0) != 0;
  const auto period = h.integer(pattern_key).value_or(rule.period);
  if (period <= 0) return false;
  const auto place = layer % period;
  return rule.dense_first ? place != 0 : place != period - 1;
}

/// What all layers of a layout have in common.
struct Setting {
  const Hyperparameters& h;
  const Run& run;
  bool latent = false;
  std::int64_t widest_value = 0;  ///< Of any layer: without flash attention all are stored that wide.
};

struct HeadSizes {
  std::int64_t key = 0;
  std::int64_t value = 0;
};

HeadSizes head_sizes(const Hyperparameters& h, bool in_window) {
  HeadSizes sizes{h.key_length(), h.value_length()};
  if (!in_window) return sizes;
  sizes.key = h.integer("attention.key_length_swa").value_or(sizes.key);
  sizes.value = h.integer("attention.value_length_swa").value_or(sizes.value);
  return sizes;
}

bool is_latent(const AttentionRule& rule, const Hyperparameters& h) {
  return rule.latent && h.integer("attention.key_length_mla") && h.integer("attention.value_length_mla");
}

bool in_window(const AttentionRule& rule, const Hyperparameters& h, int layer) {
  return rule.window && windowed(*rule.window, h, layer);
}

Setting setting_of(const AttentionRule& rule, const Hyperparameters& h, const Run& run) {
  Setting setting{h, run, is_latent(rule, h), 0};
  for (int layer = 0; layer < h.layer_count(); ++layer)
    setting.widest_value = std::max(
        setting.widest_value, times(head_sizes(h, in_window(rule, h, layer)).value, h.kv_head_count(layer)));
  return setting;
}

AttentionCache blank_cache(const Run& run) {
  AttentionCache cache;
  cache.cells = run.sequence_context;
  cache.streams = run.streams;
  cache.key_type = run.cache_type_k;
  cache.value_type = run.cache_type_v;
  return cache;
}

/// Cells of a windowed cache: the windows of all sequences that share a stream, and the micro-batch being
/// written.
std::int64_t window_cells(std::int64_t width, const Run& run, bool shared) {
  if (run.swa_full) return run.sequence_context;
  const auto windows = Bytes(times(width, shared ? run.sequences : 1)) + Bytes(run.ubatch_tokens);
  return pad_cells(std::min(run.sequence_context, windows.value()));
}

AttentionCache attention_cache(const AttentionRule& rule, const Setting& setting, int layer) {
  auto cache = blank_cache(setting.run);
  const bool narrow = in_window(rule, setting.h, layer);
  const auto sizes = head_sizes(setting.h, narrow);
  const auto heads = setting.h.kv_head_count(layer);
  cache.key_width = times(sizes.key, heads);
  if (!setting.latent)
    cache.value_width = setting.run.flash_attention ? times(sizes.value, heads) : setting.widest_value;
  if (narrow) {
    cache.kind = rule.window->chunked ? AttentionCache::Kind::chunked : AttentionCache::Kind::sliding_window;
    cache.cells = window_cells(window_width(*rule.window, setting.h), setting.run, setting.run.kv_unified);
  }
  return cache;
}

bool has_indexer(const IndexerRule& rule, const AttentionRule& attention, const Hyperparameters& h,
                 int layer) {
  if (!rule.required_key.empty() && !h.integer(rule.required_key)) return false;
  constexpr std::string_view types = "attention.indexer.types";
  if (rule.layers == IndexerRule::Layers::after_leading_dense)
    return layer >= h.integer("leading_dense_block_count").value_or(0);
  if (rule.layers == IndexerRule::Layers::listed && h.list(types) != nullptr)
    return h.integer(types, layer).value_or(0) != 0;
  return !in_window(attention, h, layer);
}

AttentionCache indexer_cache(const IndexerRule& rule, const Setting& setting) {
  auto cache = blank_cache(setting.run);
  cache.kind = AttentionCache::Kind::indexer;
  cache.key_width = setting.h.integer(indexer_width_key).value_or(0);
  if (rule.with_values) cache.value_width = setting.h.value_length();
  return cache;
}

int owning_layers(const AttentionRule& rule, const Hyperparameters& h) {
  const int layers = h.main_layer_count();
  if (rule.owning_layers != 0) return std::min(rule.owning_layers, layers);
  if (rule.shared_layers_key.empty()) return layers;
  const auto shared = h.integer(rule.shared_layers_key).value_or(0);
  return static_cast<int>(std::clamp<std::int64_t>(h.layer_count() - shared, 0, layers));
}

void append_attention(ContextLayout& layout, const AttentionRule& rule, const Setting& setting, int layer) {
  const auto cache = attention_cache(rule, setting, layer);
  if (cache.key_width != 0 || cache.value_width != 0) layout.push_back({layer, cache});
  if (rule.indexer && has_indexer(*rule.indexer, rule, setting.h, layer))
    layout.push_back({layer, indexer_cache(*rule.indexer, setting)});
}

bool is_recurrent(const HybridRule& rule, const Hyperparameters& h, int layer) {
  if (rule.recurrent == HybridRule::Recurrent::every) return true;
  if (rule.recurrent == HybridRule::Recurrent::without_kv_heads) return h.kv_head_count(layer) == 0;
  constexpr std::string_view listed = "attention.recurrent_layers";
  if (h.list(listed) != nullptr || h.integer(listed)) return h.integer(listed, layer).value_or(0) != 0;
  const auto interval = h.integer("full_attention_interval").value_or(rule.interval);
  return interval <= 0 || (layer + 1) % interval != 0;
}

void append_hybrid(ContextLayout& layout, const HybridRule& rule, const Setting& setting, int layer) {
  if (rule.feed_forward_layers && setting.h.feed_forward_length(layer) > 0) return;
  const bool recurrent = is_recurrent(rule, setting.h, layer);
  if (!recurrent || rule.recurrent == HybridRule::Recurrent::every)
    append_attention(layout, rule.attention, setting, layer);
  if (!recurrent) return;
  layout.push_back({layer, recurrent_state(rule.state, setting.h, setting.run.sequences)});
  if (!rule.ngram_history) return;
  if (const auto history = ngram_history(setting.h, layer, setting.run.sequences))
    layout.push_back({layer, *history});
}

AttentionCache compressed_cache(const Run& run, AttentionCache::Kind kind, std::int64_t width,
                                std::int64_t ratio) {
  auto cache = blank_cache(run);
  cache.kind = kind;
  cache.key_width = width;
  cache.cells = pad_cells((run.sequence_context + ratio - 1) / ratio);
  cache.streams = run.sequences;
  cache.tokens_per_cell = ratio;
  return cache;
}

RecurrentState compressor(RecurrentState::Kind kind, std::int64_t elements, std::int64_t rows) {
  return {kind, elements, elements, rows};
}

/// The engine keeps these caches apart per sequence even where the others are unified.
void append_compressed(ContextLayout& layout, const CompressedRule& rule, const Hyperparameters& h,
                       const Run& run, int layer) {
  const auto width = times(h.key_length(), h.kv_head_count(layer));
  const auto indexer_width = h.integer(indexer_width_key).value_or(0);
  auto raw = blank_cache(run);
  raw.kind = AttentionCache::Kind::sliding_window;
  raw.key_width = width;
  raw.cells = window_cells(window_width(rule.window, h), run, false);
  raw.streams = run.sequences;
  layout.push_back({layer, raw});

  const auto ratio = h.integer("attention.compress_ratios", layer).value_or(0);
  if (ratio == coarse_ratio) {
    layout.push_back({layer, compressed_cache(run, AttentionCache::Kind::compressed, width, ratio)});
    layout.push_back({layer, compressor(RecurrentState::Kind::compressor, times(h.key_length(), coarse_ratio),
                                        run.sequences)});
  }
  if (ratio != fine_ratio) return;
  // Fine blocks overlap: the compressors look at two blocks, each element twice.
  constexpr std::int64_t overlap = 2 * 2 * fine_ratio;
  layout.push_back({layer, compressed_cache(run, AttentionCache::Kind::compressed, width, ratio)});
  layout.push_back({layer, compressed_cache(run, AttentionCache::Kind::indexer, indexer_width, ratio)});
  layout.push_back(
      {layer, compressor(RecurrentState::Kind::compressor, times(h.key_length(), overlap), run.sequences)});
  layout.push_back({layer, compressor(RecurrentState::Kind::indexer_compressor, times(indexer_width, overlap),
                                      run.sequences)});
}

/// A file without the value is refused by the engine; a catalog entry without it only does not know.
Result<void> check_window(const SlidingWindowRule& rule, const Hyperparameters& h, const Model& model) {
  if (rule.only_with_layers != 0 && h.main_layer_count() != rule.only_with_layers) return {};
  const bool width_known = rule.optional || rule.default_window > 0 || h.integer(window_key);
  if (width_known && window_width(rule, h) == 0) return {};
  const bool pattern_known = rule.every_layer || rule.period > 0 || h.has(pattern_key);
  if (width_known && pattern_known) return {};
  return fail(model.source == ModelSource::gguf ? ErrorCode::refused_by_engine : ErrorCode::unsupported,
              fmt::format("{} is not given, which architecture {} needs",
                          width_known ? pattern_key : window_key, model.architecture),
              "Use a file made by a current converter, or add the value to the model's catalog entry.");
}

struct LayoutBuilder {
  const Model& model;
  const Hyperparameters& h;
  const Run& run;

  using Answer = Result<ContextLayout>;

  Answer operator()(const UnknownCacheRule&) const {
    return fail(ErrorCode::unsupported,
                fmt::format("the caches of architecture \"{}\" are not known", model.architecture),
                "Weights are exact; describe the caches in an architecture entry (docs/ADDING.md).");
  }
  Answer operator()(const NoCacheRule&) const { return ContextLayout{}; }
  Answer operator()(const AttentionRule& rule) const {
    if (rule.window)
      if (auto checked = check_window(*rule.window, h, model); !checked)
        return tl::unexpected(checked.error());
    const auto setting = setting_of(rule, h, run);
    ContextLayout layout;
    const int owning = owning_layers(rule, h);
    for (int layer = 0; layer < owning; ++layer) append_attention(layout, rule, setting, layer);
    return layout;
  }
  Answer operator()(const RecurrentRule& rule) const {
    ContextLayout layout;
    const int layers = h.main_layer_count();
    for (int layer = 0; layer < layers; ++layer)
      layout.push_back({layer, recurrent_state(rule.state, h, run.sequences)});
    return layout;
  }
  Answer operator()(const HybridRule& rule) const {
    const auto setting = setting_of(rule.attention, h, run);
    ContextLayout layout;
    const int layers = h.main_layer_count();
    for (int layer = 0; layer < layers; ++layer) append_hybrid(layout, rule, setting, layer);
    return layout;
  }
  Answer operator()(const CompressedRule& rule) const {
    if (auto checked = check_window(rule.window, h, model); !checked) return tl::unexpected(checked.error());
    ContextLayout layout;
    const int layers = h.main_layer_count();
    for (int layer = 0; layer < layers; ++layer) append_compressed(layout, rule, h, run, layer);
    return layout;
  }
};

/// Rows of a quantized cache must be whole blocks; widths must make sense at all.
Result<void> check_rows(const ContextLayout& layout) {
  for (const auto& entry : layout) {
    const auto* cache = std::get_if<AttentionCache>(&entry.memory);
    if (cache == nullptr) continue;
    if (cache->key_width < 0 || cache->value_width < 0)
      return fail(ErrorCode::malformed, fmt::format("layer {}: a negative cache width", entry.layer),
                  "The model's head counts or lengths are damaged.");
    for (const auto& [type, width] :
         {std::pair{cache->key_type, cache->key_width}, std::pair{cache->value_type, cache->value_width}})
      if (!type.divides(width))
        return fail(ErrorCode::refused_by_engine,
                    fmt::format("layer {}: rows of {} elements are not whole blocks of {}", entry.layer,
                                width, type.name()),
                    "Use f16 for --cache-type-k and --cache-type-v.");
  }
  return {};
}

struct IsWindowed {
  const Hyperparameters& h;
  int layer;
  bool operator()(const AttentionRule& rule) const { return in_window(rule, h, layer); }
  bool operator()(const HybridRule& rule) const { return in_window(rule.attention, h, layer); }
  bool operator()(const CompressedRule&) const { return true; }
  bool operator()(const RecurrentRule&) const { return false; }
  bool operator()(const NoCacheRule&) const { return false; }
  bool operator()(const UnknownCacheRule&) const { return false; }
};

}  // namespace

Result<ContextLayout> context_layout(const Model& model, const Architecture& architecture, const Run& run) {
  const auto& h = model.hyperparameters;
  if (h.layer_count() < 0 || h.layer_count() > most_layers || h.main_layer_count() < 0)
    return fail(ErrorCode::refused_by_engine,
                fmt::format("{} layers, {} of them for prediction: the engine takes at most {}",
                            h.layer_count(), h.next_token_layer_count(), most_layers),
                "The file's block_count is damaged.");
  auto layout = std::visit(LayoutBuilder{model, h, run}, architecture.cache.kind);
  if (!layout) return layout;
  if (auto checked = check_rows(*layout); !checked) return tl::unexpected(checked.error());
  return layout;
}

bool is_windowed(const CacheRule& rule, const Hyperparameters& hyperparameters, int layer) {
  return std::visit(IsWindowed{hyperparameters, layer}, rule.kind);
}

}  // namespace llmsize
