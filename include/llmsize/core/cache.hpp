#pragma once
#include <cstdint>
#include <variant>
#include <vector>

#include "llmsize/core/result.hpp"
#include "llmsize/core/run.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

struct Architecture;
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

/// Recurrent state of one layer, F32: R (token shift, convolution window) and S (state), each for `rows`
/// sequences.
struct RecurrentState {
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

/// Allocated size of one layer's memory: K, V, R and S each padded to `alignment`.
Bytes allocated_size(const LayerMemory& memory, std::int64_t alignment = 32);
/// The part that `tokens` tokens of one sequence occupy, at most the capacity. State is always active.
Bytes active_size(const LayerMemory& memory, std::int64_t tokens);

}  // namespace llmsize
