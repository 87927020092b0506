#pragma once
#include <cstdint>
#include <variant>
#include <vector>

#include "llmsize/core/hyperparameters.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/core/run.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

struct Architecture;
struct CacheRule;
struct Model;

/// Keys and values of one layer for `cells` tokens in each of `streams` streams. A width of 0 means no such
/// tensor (MLA keeps keys only). Which tensors of which type, and how cells follow from the run, is the cache
/// rule's business.
struct AttentionCache {
  enum class Kind { full, sliding_window, chunked, indexer, compressed } kind = Kind::full;
  std::int64_t key_width = 0;  ///< Elements per cell.
  std::int64_t value_width = 0;
  std::int64_t cells = 0;
  std::int64_t streams = 1;
  TensorType key_type = tensor_type::f16;
  TensorType value_type = tensor_type::f16;
  std::int64_t tokens_per_cell =
      1;  ///< More than 1 where the engine compresses several tokens into one cell.
};

/// Recurrent state of one layer, F32, kept for `rows` sequences as two tensors, here called R and S: the
/// window of a convolution or shifted tokens, and the state proper. A width of 0 means no such tensor.
struct RecurrentState {
  enum class Kind {
    recurrent,           ///< cache_r and cache_s.
    compressor,          ///< DeepSeek-V4: keys (R) and scores (S) not yet compressed.
    indexer_compressor,  ///< The same for its indexer's keys.
    ngram_history        ///< Qwen4-exp: the window of the n-gram embeddings' convolution (R only).
  };
  Kind kind = Kind::recurrent;
  std::int64_t shift_width = 0;  ///< Elements of R per row.
  std::int64_t state_width = 0;  ///< Elements of S per row.
  std::int64_t rows = 1;
};

/// What one layer keeps between tokens. A new kind of cache is one more alternative: code that visits the
/// variant does not compile until it is handled.
using LayerMemory = std::variant<AttentionCache, RecurrentState>;

struct CachedLayer {
  int layer = 0;
  LayerMemory memory;
};

/// Every cache and state of a model for a run, in layer order; a layer may own none, one or several.
using ContextLayout = std::vector<CachedLayer>;

/// Derives the layout from the architecture's cache rule and the hyperparameters (docs/METHOD.md, "KV cache
/// and state"). Errors: refused_by_engine, unsupported.
Result<ContextLayout> context_layout(const Model& model, const Architecture& architecture, const Run& run);

/// Whether `layer` sees only a window of recent tokens. A layer that shares another's cache is asked like any
/// other: it reuses the last owning layer of its own sort. False where the rule has no window.
bool is_windowed(const CacheRule& rule, const Hyperparameters& hyperparameters, int layer);

/// Allocated size of one layer's memory: K, V, R and S each padded to `alignment`.
Bytes allocated_size(const LayerMemory& memory, std::int64_t alignment = 32);
/// The part that `tokens` tokens of one sequence occupy, at most the capacity. State is always active.
Bytes active_size(const LayerMemory& memory, std::int64_t tokens);

/// A layout's sum, attention caches apart from recurrent state.
struct ContextSize {
  Bytes caches;  ///< Allocated for keys and values.
  Bytes states;  ///< Allocated for recurrent state.
  Bytes active;  ///< Part of `caches` that holds tokens.
};
/// Sums `layout` with `active_tokens` tokens, spread over the streams, in use.
ContextSize context_size(const ContextLayout& layout, std::int64_t active_tokens);

}  // namespace llmsize
