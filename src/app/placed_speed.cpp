#include "llmsize/app/placed_speed.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace llmsize::app {
namespace {

/// What one device reads for a token.
struct DevicePart {
  Model model;
  ContextLayout context;
  int layers = 0;
};

/// Device that works with a weight: a tied embedding is multiplied with where the output is.
int worker_of(const Model& model, const Footprint& f, const std::string& name) {
  if (name == "token_embd.weight" && model.find_tensor("output.weight") == nullptr)
    return f.placement.output_device;
  const int device = device_of_weight(model, f.placement, f.offload, name);
  return device == everywhere ? Placement::host : device;
}

/// The model cut into what the host and each device hold.
std::vector<DevicePart> parts_of(const Model& model, const ContextLayout& context, const Footprint& f) {
  std::vector<DevicePart> parts(f.devices.size() + 1);
  const auto part = [&](int device) -> DevicePart& { return parts[static_cast<std::size_t>(device + 1)]; };
  for (auto& each : parts) each.model.hyperparameters = model.hyperparameters;
  const bool looked_up = model.find_tensor("output.weight") != nullptr;
  for (const auto& tensor : model.tensors)
    if (!looked_up || tensor.name != "token_embd.weight")
      part(worker_of(model, f, tensor.name)).model.tensors.push_back(tensor);
  const auto layer_device = [&](int layer) {
    const auto index = static_cast<std::size_t>(std::max(layer, 0));
    return index < f.placement.layer_devices.size() ? f.placement.layer_devices[index]
                                                    : f.placement.output_device;
  };
  for (const auto& entry : context)
    part(f.offload.kv_offload ? layer_device(entry.layer) : Placement::host).context.push_back(entry);
  for (int layer = 0; layer < model.hyperparameters.main_layer_count(); ++layer)
    ++part(layer_device(layer)).layers;
  return parts;
}

}  // namespace

PlacedShares placed_shares(const Model& model, const ContextLayout& context, std::int64_t depth,
                           const SpeedRequest& request, const Footprint& f, const CpuDevice& cpu,
                           const catalog::ThroughputTable& table) {
  PlacedShares placed;
  const auto parts = parts_of(model, context, f);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    TokenCost cost = token_cost(parts[i].model, parts[i].context, depth, request.experts_used);
    cost.layers = parts[i].layers;
    // Attention alone, beside experts on the host, is still a layer of a model with experts.
    cost.has_experts = cost.has_experts || model.hyperparameters.expert_count() > 0;
    if (cost.weights == Bytes(0) && cost.cache == Bytes(0)) continue;
    if (i == 0) {
      placed.shares.push_back({cpu, std::move(cost)});
      continue;
    }
    const auto& device = f.devices[i - 1];
    const auto* spec =
        i - 1 < request.specs.size() && request.specs[i - 1] ? &*request.specs[i - 1] : nullptr;
    const GpuClass* constants = spec == nullptr ? nullptr : table.find_class(spec->class_id);
    if (constants == nullptr)
      placed.unknown_because = fmt::format(
          "nothing says how fast {} is: --gpu NAME names a GPU of the catalog (llmsize catalog list gpu)",
          device.device);
    placed.shares.push_back({GpuDevice{spec, constants, std::nullopt}, std::move(cost)});
  }
  return placed;
}

}  // namespace llmsize::app
