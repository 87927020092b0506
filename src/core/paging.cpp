#include "llmsize/core/paging.hpp"

#include <algorithm>

#include "llmsize/core/model.hpp"
#include "llmsize/core/repack.hpp"
#include "llmsize/core/throughput.hpp"

namespace llmsize {
namespace {

/// Of the reads that experts chosen at random would cause, what is left at best, because a text keeps to some
/// of them: assumed.
constexpr double reads_of_recurring_experts = 0.5;

/// Whether a file backs what this memory holds of the weights.
bool is_backed(const Footprint& f, int device, LoadMode mode) {
  if (mode != LoadMode::mmap) return false;
  if (device == Placement::host) return true;
  const auto index = static_cast<std::size_t>(device);
  // Metal reads mapped weights where they are.
  return index < f.devices.size() && f.devices[index].unified && f.offload.devices[index].backend == "metal";
}

/// Reads where the pass finds its own weights dropped: all of them, unless what fits could be kept.
DiskReads reads_of_everything(Bytes pass, Bytes room) {
  return {std::max(Bytes(0), pass - room), pass, pass};
}

}  // namespace

Bytes room_for_pages(const Footprint& f, Bytes budget) {
  return std::max(Bytes(0), budget - (f.host_high() - f.file_backed));
}

PagedWeights paged_weights(const Model& model, const Footprint& f, const Residency& residency, Bytes budget) {
  PagedWeights weights;
  const bool repacks = f.devices.empty() && residency.repack;
  const auto replaced = repacks ? repacking(model, residency.isa) : Repacking{};
  const auto parts = read_parts(model, std::nullopt);
  for (std::size_t i = 0; i < model.tensors.size(); ++i) {
    if (parts[i] <= 0 || (i < replaced.replaced.size() && replaced.replaced[i])) continue;
    const auto& tensor = model.tensors[i];
    const bool is_output = tensor.name == tied_output;
    if (is_output && replaced.output_copied) continue;
    const int device =
        is_output ? f.placement.output_device : device_of_weight(model, f.placement, f.offload, tensor.name);
    if (!is_backed(f, device, residency.load_mode)) continue;
    (is_routed_expert(tensor) ? weights.experts : weights.every_token) += tensor.size();
  }
  weights.room = room_for_pages(f, budget);
  weights.room_when_idle = room_for_pages(f, budget + f.prompt_cache.high);
  return weights;
}

DiskReads disk_reads(const PagedWeights& weights, double share) {
  if (weights.every_token + weights.experts <= weights.room) return {};
  const Bytes experts = scaled_to_nearest(weights.experts, share);
  const Bytes pass = weights.every_token + experts;
  // A cache that is smaller than what a pass reads has always just dropped what comes next.
  if (weights.experts == Bytes(0) || pass > weights.room)
    return reads_of_everything(pass, weights.room_when_idle);
  // What every token reads stays; the experts find room for a part of themselves in the rest.
  const auto missing = [&](Bytes room) {
    const Bytes left = weights.experts - std::min(weights.experts, room - weights.every_token);
    return static_cast<double>(left.value()) / static_cast<double>(weights.experts.value());
  };
  return {scaled_to_nearest(experts, missing(weights.room_when_idle) * reads_of_recurring_experts),
          scaled_to_nearest(experts, missing(weights.room)), experts};
}

}  // namespace llmsize
