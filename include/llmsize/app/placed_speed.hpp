#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "llmsize/app/speed.hpp"

namespace llmsize::app {

/// Who does which part of a token's work.
struct PlacedShares {
  std::vector<DecodeShare> shares;
  /// The GPU that takes the host's part of a prompt, where one does.
  std::optional<HostWeightCopies> copies;
  std::string unknown_because;  ///< A device that holds weights has no known speed.
};

/// Device `index` of a run with what the catalog says of its speed: nothing where it does not name the
/// device. `request.specs` must outlive it.
GpuDevice gpu_device(std::size_t index, const SpeedRequest& request, const catalog::ThroughputTable& table);

/// Splits a token's work as `footprint` places weights, caches and states in `run`. `request.specs` must
/// outlive the shares.
PlacedShares placed_shares(const Model& model, const ContextLayout& context, const Run& run,
                           std::int64_t depth, const SpeedRequest& request, const Footprint& footprint,
                           const CpuDevice& cpu, const catalog::ThroughputTable& table);

}  // namespace llmsize::app
