#include <algorithm>

#include "llmsize/core/expression.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {
namespace {

using Value = std::optional<std::int64_t>;

Value scalar(const Hyperparameters& h, std::string_view key) {
  return h.integer(key);
}

bool is_sliding(const Hyperparameters& h, int layer) {
  const auto* pattern = h.list("attention.sliding_window_pattern");
  return pattern != nullptr && h.integer("attention.sliding_window_pattern", layer).value_or(0) != 0;
}

/// Layers without attention: as listed, else by the interval of full attention, else those without key/value
/// heads.
bool is_recurrent(const Hyperparameters& h, int layer) {
  if (h.list("attention.recurrent_layers") != nullptr)
    return h.integer("attention.recurrent_layers", layer).value_or(0) != 0;
  if (const auto interval = h.integer("full_attention_interval"); interval && *interval > 0)
    return (layer + 1) % *interval != 0;
  return h.kv_head_count(layer) == 0;
}

/// Layers with routed experts: by period and offset where the model states them, else all after the leading
/// dense ones, or every n-th.
bool is_expert(const Hyperparameters& h, int layer) {
  if (h.expert_count() <= 0) return false;
  if (const auto period = h.integer("feature.expert_layer_period"); period && *period > 0)
    return layer % *period == h.integer("feature.expert_layer_offset").value_or(0);
  if (layer < h.integer("leading_dense_block_count").value_or(0)) return false;
  const std::int64_t step = h.integer("interleave_moe_layer_step").value_or(1);
  return step <= 1 || (layer + 1) % step == 0;
}

/// A head's width: sliding layers take the key with "_swa" where the model has one.
Value head_width(const Hyperparameters& h, int layer, std::string_view sliding_key, std::int64_t otherwise) {
  if (is_sliding(h, layer))
    if (const auto width = h.integer(sliding_key)) return width;
  return otherwise > 0 ? Value(otherwise) : std::nullopt;
}

Value expert_width(const Hyperparameters& h, int layer) {
  if (const auto width = h.integer("expert_feed_forward_length")) return width;
  return h.integer("feed_forward_length", layer);
}

Value shared_expert_width(const Hyperparameters& h, int layer) {
  if (const auto width = h.integer("expert_shared_feed_forward_length")) return width;
  const auto each = expert_width(h, layer);
  const auto count = h.integer("expert_shared_count");
  return each && count ? Value(saturating_multiply(*each, *count)) : std::nullopt;
}

struct NamedQuantity {
  KnownName known;
  Value (*value)(const Hyperparameters&, int layer);
};

const NamedQuantity quantities[] = {
    {{"embedding", "embedding_length"},
     [](const Hyperparameters& h, int) { return scalar(h, "embedding_length"); }},
    {{"vocabulary", "vocab_size"}, [](const Hyperparameters& h, int) { return scalar(h, "vocab_size"); }},
    {{"context", "context_length"},
     [](const Hyperparameters& h, int) { return scalar(h, "context_length"); }},
    {{"layers", "block_count"}, [](const Hyperparameters& h, int) { return scalar(h, "block_count"); }},
    {{"heads", "the layer's attention.head_count"},
     [](const Hyperparameters& h, int layer) { return h.integer("attention.head_count", layer); }},
    {{"first_heads", "the first layer's attention.head_count"},
     [](const Hyperparameters& h, int) { return h.integer("attention.head_count", 0); }},
    {{"kv_heads", "the layer's attention.head_count_kv, by default its heads"},
     [](const Hyperparameters& h, int layer) { return Value(h.kv_head_count(layer)); }},
    {{"key_length",
      "attention.key_length (on sliding layers attention.key_length_swa if stated), by default embedding / "
      "heads"},
     [](const Hyperparameters& h, int layer) {
       return head_width(h, layer, "attention.key_length_swa", h.key_length());
     }},
    {{"value_length", "the same for attention.value_length"},
     [](const Hyperparameters& h, int layer) {
       return head_width(h, layer, "attention.value_length_swa", h.value_length());
     }},
    {{"feed_forward", "the layer's feed_forward_length"},
     [](const Hyperparameters& h, int layer) { return h.integer("feed_forward_length", layer); }},
    {{"experts", "expert_count"}, [](const Hyperparameters& h, int) { return scalar(h, "expert_count"); }},
    {{"expert_feed_forward", "expert_feed_forward_length, by default feed_forward"},
     [](const Hyperparameters& h, int layer) { return expert_width(h, layer); }},
    {{"shared_feed_forward",
      "expert_shared_feed_forward_length, by default expert_shared_count * expert_feed_forward"},
     [](const Hyperparameters& h, int layer) { return shared_expert_width(h, layer); }},
    {{"expert", "1 on layers with routed experts"},
     [](const Hyperparameters& h, int layer) { return Value(is_expert(h, layer)); }},
    {{"dense", "1 on layers without routed experts"},
     [](const Hyperparameters& h, int layer) { return Value(!is_expert(h, layer)); }},
    {{"recurrent", "1 on layers with a recurrent state in place of attention"},
     [](const Hyperparameters& h, int layer) { return Value(is_recurrent(h, layer)); }},
    {{"attention", "1 on layers that are not recurrent"},
     [](const Hyperparameters& h, int layer) { return Value(!is_recurrent(h, layer)); }},
    {{"sliding", "1 on layers that attention.sliding_window_pattern lists as sliding"},
     [](const Hyperparameters& h, int layer) { return Value(is_sliding(h, layer)); }},
    {{"first", "1 on layer 0"}, [](const Hyperparameters&, int layer) { return Value(layer == 0); }},
    {{"next_token", "1 on next-token-prediction layers"},
     [](const Hyperparameters& h, int layer) { return Value(layer >= h.main_layer_count()); }},
    {{"ngrams", "1 on the layers that ple.layers names"},
     [](const Hyperparameters& h, int layer) {
       const auto* layers = h.list("ple.layers");
       return Value(layers != nullptr && std::find(layers->begin(), layers->end(), layer) != layers->end());
     }},
    {{"own_weights", "1 on the first 2 * hrm.layers_per_stack layers, whose weights later ones share"},
     [](const Hyperparameters& h, int layer) {
       const auto stack = h.integer("hrm.layers_per_stack").value_or(0);
       return Value(stack <= 0 || layer < saturating_multiply(2, stack));
     }},
    {{"hashed", "1 on the first hash_layer_count layers"},
     [](const Hyperparameters& h, int layer) {
       return Value(layer < h.integer("hash_layer_count").value_or(0));
     }},
};

}  // namespace

const std::vector<KnownName>& known_names() {
  static const std::vector<KnownName> all = [] {
    std::vector<KnownName> names;
    for (const auto& quantity : quantities) names.push_back(quantity.known);
    return names;
  }();
  return all;
}

LayerScope::LayerScope(const Hyperparameters& hyperparameters)
    : hyperparameters_(hyperparameters), layer_count_(std::max(1, hyperparameters.layer_count())) {}

const LayerValues& LayerScope::values(const std::string& name) {
  const auto [found, fresh] = resolved_.try_emplace(name);
  if (!fresh) return found->second;
  const auto quantity = std::find_if(std::begin(quantities), std::end(quantities),
                                     [&](const NamedQuantity& q) { return q.known.name == name; });
  auto& values = found->second;
  values.reserve(static_cast<std::size_t>(layer_count_));
  for (int layer = 0; layer < layer_count_; ++layer)
    values.push_back(quantity != std::end(quantities) ? quantity->value(hyperparameters_, layer)
                                                      : hyperparameters_.integer(name, layer));
  return values;
}

}  // namespace llmsize
