#include "llmsize/core/hyperparameters.hpp"

#include <algorithm>
#include <cmath>

namespace llmsize {
namespace {

template <class T>
const T* find_as(const std::map<std::string, Hyperparameters::Value, std::less<>>& values,
                 std::string_view key) {
  const auto found = values.find(key);
  return found == values.end() ? nullptr : std::get_if<T>(&found->second);
}

}  // namespace

std::optional<std::int64_t> Hyperparameters::integer(std::string_view key) const {
  if (const auto* scalar = find_as<std::int64_t>(values_, key))
    return *scalar == 0 ? std::nullopt : std::optional(*scalar);
  const auto* values = list(key);
  if (values == nullptr || values->empty() || values->front() == 0) return std::nullopt;
  const bool uniform =
      std::all_of(values->begin(), values->end(), [&](auto v) { return v == values->front(); });
  return uniform ? std::optional(values->front()) : std::nullopt;
}

std::optional<std::int64_t> Hyperparameters::integer(std::string_view key, int layer) const {
  if (const auto* scalar = find_as<std::int64_t>(values_, key)) return *scalar;
  const auto* values = list(key);
  if (values == nullptr || layer < 0 || static_cast<std::size_t>(layer) >= values->size())
    return std::nullopt;
  return (*values)[static_cast<std::size_t>(layer)];
}

std::optional<double> Hyperparameters::number(std::string_view key) const {
  if (const auto* scalar = find_as<double>(values_, key)) return *scalar;
  if (const auto* scalar = find_as<std::int64_t>(values_, key)) return static_cast<double>(*scalar);
  return std::nullopt;
}

std::string Hyperparameters::text(std::string_view key) const {
  const auto* value = find_as<std::string>(values_, key);
  return value == nullptr ? std::string() : *value;
}

const std::vector<std::int64_t>* Hyperparameters::list(std::string_view key) const {
  return find_as<std::vector<std::int64_t>>(values_, key);
}

int Hyperparameters::layer_count() const {
  return static_cast<int>(integer("block_count").value_or(0));
}

int Hyperparameters::next_token_layer_count() const {
  return static_cast<int>(integer("nextn_predict_layers").value_or(0));
}

std::int64_t Hyperparameters::embedding_length() const {
  return integer("embedding_length").value_or(0);
}
std::int64_t Hyperparameters::vocabulary_size() const {
  return integer("vocab_size").value_or(0);
}
std::int64_t Hyperparameters::context_length() const {
  return integer("context_length").value_or(0);
}

std::int64_t Hyperparameters::head_count(int layer) const {
  return integer("attention.head_count", layer).value_or(0);
}

std::int64_t Hyperparameters::kv_head_count(int layer) const {
  if (!has("attention.head_count_kv")) return head_count(layer);
  return integer("attention.head_count_kv", layer).value_or(0);
}

std::int64_t Hyperparameters::key_length() const {
  if (const auto length = integer("attention.key_length")) return *length;
  // The engine divides by the first layer's heads; where that layer has none, by the first layer that has
  // some.
  for (int layer = 0; layer < std::max(1, layer_count()); ++layer)
    if (const auto heads = head_count(layer); heads > 0) return embedding_length() / heads;
  return 0;
}

std::int64_t Hyperparameters::value_length() const {
  if (const auto length = integer("attention.value_length")) return *length;
  for (int layer = 0; layer < std::max(1, layer_count()); ++layer)
    if (const auto heads = head_count(layer); heads > 0) return embedding_length() / heads;
  return 0;
}

std::int64_t Hyperparameters::feed_forward_length(int layer) const {
  return integer("feed_forward_length", layer).value_or(0);
}

std::int64_t Hyperparameters::expert_count() const {
  return integer("expert_count").value_or(0);
}
std::int64_t Hyperparameters::experts_used() const {
  return integer("expert_used_count").value_or(0);
}

}  // namespace llmsize
