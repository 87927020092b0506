#include "llmsize/app/placed_speed.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace llmsize::app {
namespace {

/// What a token reads of the host's memory, then of each device's.
std::vector<TokenCost> costs_by_place(const Model& model, const ContextLayout& context, std::int64_t depth,
                                      const std::optional<std::int64_t>& experts_used, const Footprint& f) {
  const auto number = [](int device) { return static_cast<std::size_t>(device + 1); };
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
    return number(f.offload.kv_offload ? layer_device(f.placement, entry.layer) : Placement::host);
  };
  auto costs = token_costs(model, context, depth, experts_used, places);
  for (auto& cost : costs) cost.layers = 0;
  const int layers = model.hyperparameters.main_layer_count();
  for (int layer = 0; layer < layers; ++layer) ++costs[number(layer_device(f.placement, layer))].layers;
  return costs;
}

/// The device that takes the host's part of a prompt's batches; nothing where the processors keep it.
std::optional<HostWeightCopies> host_weight_copies(const Footprint& f, const Run& run,
                                                   const SpeedRequest& request,
                                                   const catalog::ThroughputTable& table) {
  const auto runner = host_weights_runner(f.offload);
  if (!runner || run.ubatch_tokens < least_batch_taken_over) return std::nullopt;
  return HostWeightCopies{gpu_device(*runner, request, table), table.bus, run.ubatch_tokens};
}

}  // namespace

/// there.
GpuDevice gpu_device(std::size_t index, const SpeedRequest& request, const catalog::ThroughputTable& table) {
  const auto* spec = index < request.specs.size() && request.specs[index] ? &*request.specs[index] : nullptr;
  return {spec, spec == nullptr ? nullptr : table.find_class(spec->class_id), std::nullopt};
}

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
    const auto device = gpu_device(i - 1, request, table);
    if (device.constants == nullptr)
      placed.unknown_because = fmt::format(
          "nothing says how fast {} is: --gpu NAME names a GPU of the catalog (llmsize catalog list gpu)",
          f.devices[i - 1].device);
    placed.shares.push_back({device, std::move(cost)});
  }
  return placed;
}

}  // namespace llmsize::app
