#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "llmsize/app/services.hpp"
#include "llmsize/catalog/throughput.hpp"
#include "llmsize/core/cache.hpp"
#include "llmsize/core/estimate_report.hpp"
#include "llmsize/core/host.hpp"
#include "llmsize/core/model.hpp"
#include "llmsize/core/throughput.hpp"

namespace llmsize::app {

/// A GPU of the run, with the part of the layers (0 to 1) that it holds.
struct PlacedGpu {
  GpuSpec spec;
  double layers_part = 1;
};

/// What the user may say about speed; whatever is absent comes from the host or stays unknown.
struct SpeedRequest {
  std::optional<BytesPerSecond> bandwidth;   ///< --bandwidth: of system memory.
  std::string cpu;                           ///< --cpu: a name in data/cpus.json, instead of the host's.
  std::optional<int> threads;                ///< -t
  std::optional<std::int64_t> experts_used;  ///< --experts-used
  std::optional<std::int64_t> depth;         ///< Tokens before the one decoded; default: the whole context.
  std::optional<BytesPerSecond> storage;     ///< --storage-speed: what weights that page are read with.
  std::vector<PlacedGpu> gpus;               ///< The rest of the layers is on the CPU.
  /// Of the devices that a footprint has; where they are there, its placement says what each does.
  std::vector<std::optional<GpuSpec>> specs;
  /// The catalog's constants, read once for many questions; null: read them.
  std::shared_ptr<const catalog::ThroughputTable> constants;
  bool experts_on_cpu = false;  ///< Routed experts stay on the CPU (-ncmoe for all layers).
};

/// Speeds, or why they are unknown.
struct SpeedAnswer {
  std::optional<SpeedRange> decode;
  std::optional<SpeedRange> prompt;
  std::string unknown_because;  ///< Empty where decode is known.
  std::int64_t depth = 0;
  TokenCost cost;
};

/// Errors: usage for a --cpu that the catalog does not have, which is a mistake and not a speed that is
/// unknown.
Result<void> check_cpu(const Services& services, const std::string& cpu);

/// Bandwidth of system memory: --bandwidth, then what was measured on the host, then what its memory modules
/// add up to, then the catalog's entry for its processor, else unknown with the remedy as its source.
Fact<BytesPerSecond> memory_bandwidth(const Services& services, const Host& host,
                                      const SpeedRequest& request);

/// The CPU of `host` as the predictor sees it. `constants` must outlive the device.
CpuDevice cpu_device(const Host& host, const SpeedRequest& request, Fact<BytesPerSecond> bandwidth,
                     const CpuConstants& constants);

/// What weights are read from storage with: --storage-speed, else the fastest storage of `host` with a known
/// rate, else unknown with the remedy as its source.
Fact<BytesPerSecond> storage_rate(const Host& host, const std::optional<BytesPerSecond>& stated);

/// Decode and prompt speed of `model` (final types) in a run. `storage` where weights do not fit in memory;
/// `placed` where it has devices, which then share the work as it places weights.
Result<SpeedAnswer> estimate_speed(const Services& services, const Model& model, const ContextLayout& context,
                                   const Run& run, const Host& host, const SpeedRequest& request,
                                   const std::optional<StorageReads>& storage = std::nullopt,
                                   const Footprint* placed = nullptr);

/// The same, put into `report`, whose footprint and verdict say whether weights are read from storage.
Result<void> fill_speed(const Services& services, const Model& model, const ContextLayout& context,
                        const Host& host, const SpeedRequest& request, EstimateReport& report);

/// Middle decode speed on the CPU for planning, without loading the catalog again: nothing where the
/// bandwidth is unknown.
std::optional<TokensPerSecond> decode_speed_on_cpu(const TokenCost& cost, const CpuDevice& device);

}  // namespace llmsize::app
