#include "llmsize/app/placed_speed.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace llmsize::app {
namespace {

/// What a token reads of the host's memory, then of each device's.
std::vector<TokenCost> costs_by_place(const Model& model, const ContextLayout& context, std::int64_t depth,
                                      const std::optional<std::int64_t>& experts_used, const Footprint& f) {
  const auto number = [](int device) { return static_cast<std::size_t>(device + 1); };
  const auto layer_device = [&](int layer) {
    const auto index = static_cast<std::size_t>(std::max(layer, 0));
    return index < f.placement.layer_devices.size() ? f.placement.layer_devices[index]
                                                    : f.placement.output_device;
  };
  const bool tied = model.find_tensor("output.weight") == nullptr;
  TokenPlaces places;
  places.count = f.devices.size() + 1;
  places.of_weight = [&](const Tensor& tensor) {
    // A tied embedding is multiplied with where the output is.
    if (tied && tensor.name == tied_output) return number(f.placement.output_device);
    const int device = device_of_weight(model, f.placement, f.offload, tensor.name);
    return number(device == everywhere ? Placement::host : device);
  };
  places.of_cache = [&](const CachedLayer& entry) {
    return number(f.offload.kv_offload ? layer_device(entry.layer) : Placement::host);
  };
  auto costs = token_costs(model, context, depth, experts_used, places);
  for (auto& cost : costs) cost.layers = 0;
  const int layers = model.hyperparameters.main_layer_count();
  for (int layer = 0; layer < layers; ++layer) ++costs[number(layer_device(layer))].layers;
  return costs;
}

/// The first device that takes the host's weights does it for all of them. Nothing where its speed is
/// unknown.
std::optional<HostWeightCopies> host_weight_copies(const Footprint& f, const Run& run,
                                                   const SpeedRequest& request,
                                                   const catalog::ThroughputTable& table) {
  // ggml-cuda's and the other backends' offload_op: smaller batches stay on the processors.
  constexpr std::int64_t least_tokens = 32;
  if (!f.offload.operation_offload || run.ubatch_tokens < least_tokens) return std::nullopt;
  for (std::size_t i = 0; i < f.offload.devices.size(); ++i) {
    if (!f.offload.devices[i].takes_host_weights) continue;
    const auto* spec = i < request.specs.size() && request.specs[i] ? &*request.specs[i] : nullptr;
    const GpuClass* constants = spec == nullptr ? nullptr : table.find_class(spec->class_id);
    return HostWeightCopies{GpuDevice{spec, constants, std::nullopt}, table.bus, run.ubatch_tokens};
  }
  return std::nullopt;
}

}  // namespace

PlacedShares placed_shares(const Model& model, const ContextLayout& context, const Run& run,
                           std::int64_t depth, const SpeedRequest& request, const Footprint& f,
                           const CpuDevice& cpu, const catalog::ThroughputTable& table) {
  PlacedShares placed;
  placed.copies = host_weight_copies(f, run, request, table);
  auto costs = costs_by_place(model, context, depth, request.experts_used, f);
  for (std::size_t i = 0; i < costs.size(); ++i) {
    TokenCost& cost = costs[i];
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
