#include "weight_residency.hpp"

#include <algorithm>

#include "llmsize/core/model.hpp"
#include "llmsize/core/weights.hpp"

namespace llmsize {
namespace {

// The engine maps per-layer embeddings of more than this even when asked not to map (llama.cpp v0.5.0).
constexpr Bytes lazily_read_from = gibibytes(4);

/// Weights that stay mapped whatever the load mode says.
Bytes always_mapped(const Model& model) {
  const auto* table = model.find_tensor("per_layer_token_embd.weight");
  return table != nullptr && table->size() > lazily_read_from ? buffer_size(*table) : Bytes(0);
}

/// Each loaded tensor once: two buffers over the same mapping share its pages. The engine unmaps the file
/// before the first and after the last tensor that it uses in place, and keeps what lies between, repacked or
/// not.
Bytes mapped_once(const Model& model, const std::vector<bool>& replaced) {
  const bool drops_layers = model.hyperparameters.next_token_layer_count() > 0;
  const int loaded_layers = drops_layers ? model.hyperparameters.main_layer_count() : 0;
  Bytes sum, up_to_last_used;
  for (std::size_t index = 0; index < model.tensors.size(); ++index) {
    const auto& tensor = model.tensors[index];
    if (drops_layers && layer_of(tensor.name) >= loaded_layers) continue;
    const bool used = index >= replaced.size() || !replaced[index];
    if (!used && up_to_last_used == Bytes(0)) continue;
    sum += buffer_size(tensor);
    if (used) up_to_last_used = sum;
  }
  return up_to_last_used;
}

/// For each tensor whether it lies on a device, so that the host does not use it in place.
std::vector<bool> off_the_host(const Model& model, const Footprint& f) {
  std::vector<bool> gone(model.tensors.size(), false);
  const auto& layers = f.placement.layer_devices;
  const bool no_layer =
      std::none_of(layers.begin(), layers.end(), [](int d) { return d == Placement::host; });
  for (std::size_t i = 0; i < gone.size(); ++i) {
    const int device = device_of_weight(model, f.placement, f.offload, model.tensors[i].name);
    gone[i] = device == everywhere ? no_layer : device != Placement::host;
  }
  return gone;
}

}  // namespace

WeightResidency weight_residency(const Model& model, const Repacking& repacked, LoadMode mode) {
  if (mode != LoadMode::none) return {mapped_once(model, repacked.replaced), repacked.copies};
  const Bytes mapped = always_mapped(model);
  return {mapped, engine_weights_size(model) - mapped - repacked.originals + repacked.copies};
}

WeightResidency host_weights(const Model& model, const Footprint& f, LoadMode mode) {
  if (mode != LoadMode::none) return {mapped_once(model, off_the_host(model, f)), Bytes(0)};
  const Bytes mapped = std::min(always_mapped(model), f.host.weights);
  return {mapped, f.host.weights - mapped};
}

}  // namespace llmsize
