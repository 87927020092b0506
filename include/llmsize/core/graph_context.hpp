#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "llmsize/core/cache.hpp"
#include "llmsize/core/graph_builder.hpp"
#include "llmsize/core/model.hpp"
#include "llmsize/core/run.hpp"

namespace llmsize {

/// Widths of one layer's attention.
struct Heads {
  std::int64_t count = 0;
  std::int64_t kv_count = 0;
  std::int64_t key_length = 0;
  std::int64_t value_length = 0;
};

/// The inputs that all layers with one kind of cache share.
struct AttentionInputs {
  TensorId key_indices = no_tensor;
  TensorId value_indices = no_tensor;
  TensorId mask = no_tensor;
  TensorId key_rotation = no_tensor;    ///< Only with a quantized K cache.
  TensorId value_rotation = no_tensor;  ///< Only with a quantized V cache.
};

/// What the blocks of one graph work with: the model's weights by name, the run, the caches, the tensor that
/// flows from block to block, and those put aside for later.
class GraphContext {
 public:
  /// All arguments must outlive the context.
  GraphContext(const Model& model, const Run& run, const ContextLayout& layout);

  GraphBuilder& graph() { return graph_; }
  [[nodiscard]] const Hyperparameters& hyperparameters() const { return model_.hyperparameters; }
  [[nodiscard]] const Run& run() const { return run_; }
  [[nodiscard]] std::int64_t tokens() const { return run_.prompt_tokens; }

  // Where in the model the blocks are.

  /// -1 outside the layers.
  [[nodiscard]] int layer() const { return layer_; }
  [[nodiscard]] int layer_count() const { return layer_count_; }
  [[nodiscard]] bool in_last_layer() const { return layer_ == layer_count_ - 1; }
  void enter_layer(int layer) {
    layer_ = layer;
    borrowed_layer_ = -1;
    graph_.set_layer(layer);
  }
  /// Until the next layer, weights are those of another one: models that run the same layers several times.
  void borrow_weights_of(int layer) { borrowed_layer_ = layer < layer_count_ ? layer : -1; }

  // What flows.

  [[nodiscard]] TensorId current() const { return current_; }
  void set_current(TensorId id) { current_ = id; }
  void save(std::string_view name, TensorId id);
  /// An error where nothing was saved under the name; then the current tensor.
  TensorId saved(std::string_view name);
  [[nodiscard]] bool has_saved(std::string_view name) const;

  // Weights. Names are without "blk.N." inside a layer; `kind` is ".weight", ".bias", ".scale" or empty.

  /// A tensor of the current layer (of the whole model outside layers); no_tensor where the model has none.
  TensorId find(std::string_view name, std::string_view kind = ".weight");
  /// The same, with an error where it is missing.
  TensorId weight(std::string_view name, std::string_view kind = ".weight");
  /// A tensor outside the layers.
  TensorId find_global(std::string_view name, std::string_view kind = ".weight");
  TensorId global_weight(std::string_view name, std::string_view kind = ".weight");
  /// The weight of the output: its own, or the embedding's second copy where both share one.
  TensorId output_weight();
  [[nodiscard]] bool has(std::string_view name, std::string_view kind = ".weight") const;

  // Inputs, made when first asked for.

  TensorId positions();
  /// Multi-dimensional rotary positions (M-RoPE) take four numbers per token.
  void set_positions_per_token(int count) { positions_per_token_ = count; }
  TensorId output_ids();
  /// A factor per token that grows with the position.
  TensorId attention_scale();
  /// Frequency factors of rotary embeddings, where the model has some.
  TensorId rope_factors();
  /// Makes an input once per graph under `name`.
  TensorId input_once(std::string_view name, TensorType type, Dimensions dimensions);

  // Attention.

  [[nodiscard]] Heads heads() const;
  [[nodiscard]] bool is_sliding() const { return is_sliding(layer_); }
  [[nodiscard]] bool is_sliding(int layer) const;
  /// Whether any layer slides: the engine then orders q, k, v differently.
  [[nodiscard]] bool has_sliding_layers() const { return has_sliding_; }
  /// The last earlier layer of the same kind that owns a cache, which this one reads; -1 where there is none.
  [[nodiscard]] int layer_of_shared_cache() const;
  /// Keys and values of a layer; null where it owns none.
  [[nodiscard]] const AttentionCache* attention_cache(int layer) const;
  [[nodiscard]] const AttentionCache* attention_cache(int layer, AttentionCache::Kind kind) const;
  [[nodiscard]] const RecurrentState* recurrent_state(
      int layer, RecurrentState::Kind kind = RecurrentState::Kind::recurrent) const;
  /// Inputs for layers that use `cache`.
  AttentionInputs attention_inputs(const AttentionCache& cache, const Heads& heads);
  /// The cache's tensors, width x cells x streams.
  TensorId key_cache(const AttentionCache& cache);
  TensorId value_cache(const AttentionCache& cache);

  /// Sets the size of the mask's type by whether flash attention reads it.
  [[nodiscard]] TensorType mask_type() const {
    return run_.flash_attention ? tensor_type::f16 : tensor_type::f32;
  }

  Result<TensorGraph> finish() && { return std::move(graph_).finish(); }

 private:
  struct NamedWeight {
    std::string_view name;  // Without "blk.N.".
    std::size_t index;      // In the model's tensor table.
  };
  [[nodiscard]] int weight_layer() const {
    return layer_ >= 0 && borrowed_layer_ >= 0 ? borrowed_layer_ : layer_;
  }
  [[nodiscard]] const NamedWeight* look_up(int layer, std::string_view name, std::string_view kind) const;
  TensorId find_in(int layer, std::string_view name, std::string_view kind);
  TensorId cache_tensor(const AttentionCache& cache, bool values);

  const Model& model_;
  const Run& run_;
  GraphBuilder graph_;
  int layer_ = -1;
  int borrowed_layer_ = -1;
  int layer_count_ = 0;
  int positions_per_token_ = 1;
  bool has_sliding_ = false;
  bool has_recurrent_ = false;
  TensorId current_ = no_tensor;
  std::vector<std::pair<std::string_view, TensorId>> saved_;
  std::vector<std::pair<std::string_view, TensorId>> inputs_;
  std::vector<std::vector<NamedWeight>> weights_;  // By layer + 1; those outside layers first.
  std::vector<TensorId> weight_ids_;               // By index in the tensor table, once used.
  std::vector<std::vector<const CachedLayer*>> cached_;
  std::vector<std::pair<const void*, std::array<TensorId, 2>>> cache_ids_;
  std::vector<std::pair<AttentionCache::Kind, AttentionInputs>> attention_inputs_;
};

}  // namespace llmsize
