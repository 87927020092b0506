#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
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
  std::string label;     ///< What the user or the system calls it: "NVIDIA GeForce RTX 4090".
  std::string backend;   ///< The engine's backend: "cuda", "rocm", "vulkan", "metal"; empty: any.
  bool unified = false;  ///< Its memory is the host's: `capacity` is no memory of its own.
  /// Its driver lends the host memory that it can read, which the engine then prefers to repacked weights.
  bool has_host_buffer = false;
  /// Runs operations of large batches itself even where the weights lie on the host, copying those over.
  bool takes_host_weights = false;
  friend bool operator==(const Device&, const Device&) = default;
};

/// What several devices share: whole layers, or besides each matrix by its rows. Of llama-server's
/// --split-mode, `none` is a request with one device.
enum class SplitMode { layer, row };

/// `OffloadRequest::gpu_layers` that `choose_layers` replaces: as many as fit, and every one. The engine's
/// own numbers for `auto` and `all`.
inline constexpr std::int64_t fitting_gpu_layers = -1;
inline constexpr std::int64_t all_gpu_layers = -2;

/// -ot REGEX=DEVICE: weights whose name matches are on that device, the first rule that matches decides.
struct WeightOverride {
  std::string pattern;
  int device = -1;  ///< Index, or `Placement::host`.
  friend bool operator==(const WeightOverride&, const WeightOverride&) = default;
};

/// What is moved off the host, in llama-server's terms.
struct OffloadRequest {
  std::vector<Device> devices;
  std::int64_t gpu_layers = 0;         ///< -ngl; the output counts as the last layer, so it moves first.
  std::vector<double> tensor_split;    ///< -ts, one proportion per device; empty: by capacity.
  std::int64_t cpu_expert_layers = 0;  ///< -ncmoe: the experts of so many first layers stay on the host.
  bool kv_offload = true;              ///< Caches and states follow their layers.
  SplitMode split_mode = SplitMode::layer;
  std::vector<WeightOverride> overrides;
  bool operation_offload = true;  ///< --op-offload: see Device::takes_host_weights.
  /// --fit-target: what `fitting_gpu_layers` leaves free on every device.
  Bytes fit_margin = mebibytes(1024);
  friend bool operator==(const OffloadRequest&, const OffloadRequest&) = default;
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
  std::vector<DeviceShare> shares;                     ///< The host, then `OffloadRequest::devices` in order.
  std::map<std::string, int, std::less<>> overridden;  ///< Weights that an override moved, and where to.
};

/// The device of a layer's weights and caches; what is in no layer goes with the output.
int layer_device(const Placement& placement, int layer);

/// The device that works with the host's weights on batches of `least_batch_taken_over` tokens or more: the
/// first that does so at all. Source: ggml-cuda's offload_op, llama.cpp v0.5.0.
std::optional<std::size_t> host_weights_runner(const OffloadRequest& request);
inline constexpr std::int64_t least_batch_taken_over = 32;

/// The device that the weight `name` is on: index or `Placement::host`; `everywhere` for frequencies, of
/// which every device that uses them has a copy.
constexpr int everywhere = -2;
int device_of_weight(const Model& model, const Placement& placement, const OffloadRequest& request,
                     std::string_view name);

/// Places a model as the engine does (docs/METHOD.md, "Placement").
/// Errors: usage for a negative or empty split, more splits than devices, a missing split where a capacity
/// is unknown, or an override that is no regular expression.
Result<Placement> place(const Model& model, const Architecture& architecture, const ContextLayout& layout,
                        const OffloadRequest& request);

}  // namespace llmsize
