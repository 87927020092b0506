#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "llmsize/core/cache.hpp"
#include "llmsize/core/fact.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/core/units.hpp"
#include "llmsize/core/weights.hpp"

namespace llmsize {

struct Architecture;
struct Model;

/// A device that layers can be moved to.
struct Device {
  std::string name;  ///< "GPU0".
  BufferRule buffer;
  Fact<Bytes> capacity;  ///< Free memory; splits layers where no split is given.
};

/// What is moved off the host, in llama-server's terms.
struct OffloadRequest {
  std::vector<Device> devices;
  std::int64_t gpu_layers = 0;         ///< -ngl; the output counts as the last layer, so it moves first.
  std::vector<double> tensor_split;    ///< -ts, one proportion per device; empty: by capacity.
  std::int64_t cpu_expert_layers = 0;  ///< -ncmoe: the experts of so many first layers stay on the host.
  bool kv_offload = true;              ///< Caches and states follow their layers.
};

/// What one device holds. The host is named "CPU" and comes first.
struct DeviceShare {
  std::string device;
  Bytes weights;
  Bytes caches;
  Bytes states;
  Fact<Bytes> capacity;
};

/// Which device holds what.
struct Placement {
  static constexpr int host = -1;
  std::vector<int> layer_devices;  ///< Per layer of the file, prediction layers included: index or `host`.
  int output_device = host;
  std::vector<DeviceShare> shares;  ///< The host, then `OffloadRequest::devices` in order.
};

/// The device that the weight `name` is on: index or `Placement::host`; `everywhere` for frequencies, of
/// which every device that uses them has a copy.
constexpr int everywhere = -2;
int device_of_weight(const Model& model, const Placement& placement, const OffloadRequest& request,
                     std::string_view name);

/// Places a model as the engine does (docs/METHOD.md, "Placement").
/// Errors: usage for a negative or empty split, more splits than devices, or a missing split where a capacity
/// is unknown.
Result<Placement> place(const Model& model, const Architecture& architecture, const ContextLayout& layout,
                        const OffloadRequest& request);

}  // namespace llmsize
