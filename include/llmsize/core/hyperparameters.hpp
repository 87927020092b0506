#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace llmsize {

/// A model's shape: values by GGUF metadata key without the architecture's prefix
/// ("attention.head_count_kv").
///
/// A value is a scalar or a list with one element per layer. Booleans are stored as integers. Every input
/// (GGUF header, catalog entry, config.json, flags) is brought into this form, so that one pipeline sizes
/// them all.
class Hyperparameters {
 public:
  using Value =
      std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>, std::vector<double>>;

  void set(std::string key, Value value) { values_.insert_or_assign(std::move(key), std::move(value)); }
  [[nodiscard]] bool has(std::string_view key) const { return values_.find(key) != values_.end(); }
  [[nodiscard]] const std::map<std::string, Value, std::less<>>& all() const { return values_; }

  /// A scalar, as the engine reads it: absent where missing, zero (zero counts as absent) or a list of
  /// unequal values.
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key) const;
  /// The value of one layer: the list's element, or the scalar. Zero is kept, because in a list it has
  /// meaning.
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key, int layer) const;
  [[nodiscard]] std::optional<double> number(std::string_view key) const;
  [[nodiscard]] bool flag(std::string_view key) const { return integer(key).value_or(0) != 0; }
  [[nodiscard]] std::string text(std::string_view key) const;
  /// The list under `key`, or null where it is missing or a scalar.
  [[nodiscard]] const std::vector<std::int64_t>* list(std::string_view key) const;

  // The quantities that nearly every rule needs, with the engine's defaults applied.

  /// Layers in the file, next-token-prediction layers included ("block_count").
  [[nodiscard]] int layer_count() const;
  /// Next-token-prediction layers at the end ("nextn_predict_layers").
  [[nodiscard]] int next_token_layer_count() const;
  /// Layers that the main context runs: layer_count() less next_token_layer_count().
  [[nodiscard]] int main_layer_count() const { return layer_count() - next_token_layer_count(); }
  [[nodiscard]] std::int64_t embedding_length() const;
  [[nodiscard]] std::int64_t vocabulary_size() const;
  [[nodiscard]] std::int64_t context_length() const;
  [[nodiscard]] std::int64_t head_count(int layer) const;
  /// Key/value heads; equal to head_count where the key is absent.
  [[nodiscard]] std::int64_t kv_head_count(int layer) const;
  /// Width of one key head; embedding_length / head_count(0) where the key is absent.
  [[nodiscard]] std::int64_t key_length() const;
  [[nodiscard]] std::int64_t value_length() const;
  [[nodiscard]] std::int64_t feed_forward_length(int layer) const;
  [[nodiscard]] std::int64_t expert_count() const;
  [[nodiscard]] std::int64_t experts_used() const;

 private:
  std::map<std::string, Value, std::less<>> values_;
};

}  // namespace llmsize
