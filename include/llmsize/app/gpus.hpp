#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "llmsize/app/services.hpp"
#include "llmsize/core/host.hpp"
#include "llmsize/core/placement.hpp"
#include "llmsize/core/throughput.hpp"

namespace llmsize::app {

/// One entry of --gpu: so many devices of a name in data/gpus.json, of a size, or of a name with another
/// size.
struct GpuWish {
  std::int64_t count = 1;
  std::string name;
  std::optional<Bytes> memory;
};

/// What the user may say about devices.
struct GpuOptions {
  std::vector<GpuWish> wishes;             ///< --gpu, --vram; empty: the host's own.
  bool none = false;                       ///< --gpu none.
  std::optional<std::int64_t> gpu_layers;  ///< -ngl; absent: as many as fit, the engine's default.
  bool fit = true;                         ///< --fit: choose the number of layers where none is given.
  bool one_device = false;                 ///< --split-mode none.
  std::optional<std::int64_t> main_gpu;    ///< --main-gpu: which one that is.
  /// -ot: pattern and device name ("CPU", "GPU0", or the engine's "CUDA0").
  std::vector<std::pair<std::string, std::string>> overrides;

  [[nodiscard]] bool named() const { return none || !wishes.empty(); }
};

/// The devices of a run with what the catalog knows of them, in the engine's order.
struct GpuSet {
  std::vector<Device> devices;
  std::vector<std::optional<GpuSpec>> specs;
  std::vector<std::string> notes;
};

/// The devices that `options` name, else those of `host`. Devices that share the host's memory get
/// `host_memory` as their capacity. Errors: not_found for names that data/gpus.json does not have, usage for
/// a size that is missing or a main device that is not there.
Result<GpuSet> gpus_of_run(const Services& services, const GpuOptions& options, const Host& host,
                           const Fact<Bytes>& host_memory);

/// The flags that say what goes where, as far as they were given; without a GPU they change nothing.
std::vector<std::string> placing_flags(const GpuOptions& options, const OffloadRequest& offload);

/// Puts devices, layers and overrides into `offload`. Errors: usage for an override's device that is not
/// there.
Result<void> apply_gpus(const GpuOptions& options, const GpuSet& gpus, OffloadRequest& offload);

}  // namespace llmsize::app
