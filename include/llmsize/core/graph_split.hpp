#pragma once
#include <vector>

#include "llmsize/core/cache.hpp"
#include "llmsize/core/graph.hpp"
#include "llmsize/core/graph_allocator.hpp"
#include "llmsize/core/placement.hpp"

namespace llmsize {

/// Where the engine's scheduler finds tensors before it starts: a device, or none yet.
struct FixedPlaces {
  static constexpr std::int8_t anywhere = -1;
  /// Per tensor of the graph. The host is the last device.
  std::vector<std::int8_t> devices;
  int device_count = 1;
  /// How many micro-batches are in flight: each has inputs and crossing tensors of its own.
  int copies = 1;
  /// The first device that runs operations of large batches whose weights lie on the host; none by default.
  std::int8_t host_weights_runner = anywhere;
  /// How each device places tensors, the host last; empty: all like the host.
  std::vector<BufferRule> rules;
};

/// Assigns every operation to a device and adds the copies of what crosses from one to another, as the
/// engine's scheduler does for devices that run every operation and cannot see each other's memory
/// (docs/METHOD.md, "Scratch on several devices").
DeviceGraph split_graph(TensorGraph graph, const FixedPlaces& places);

/// What the prompt graph `graph` of `model` reserves on the host, then on each device of `request`.
/// Errors: overflow.
Result<std::vector<Bytes>> split_scratch(const TensorGraph& graph, const Model& model,
                                         const OffloadRequest& request, const Placement& placement);

/// The same for the graph of a run. Errors as for prompt_graph, and overflow.
Result<std::vector<Bytes>> device_scratch(const Model& model, const Architecture& architecture,
                                          const Run& run, const ContextLayout& layout,
                                          const OffloadRequest& request, const Placement& placement);

}  // namespace llmsize
