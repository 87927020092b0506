#pragma once
#include <string>
#include <vector>

#include "llmsize/core/footprint.hpp"
#include "llmsize/core/graph_allocator.hpp"
#include "llmsize/core/placement.hpp"
#include "llmsize/core/result.hpp"

namespace llmsize {

/// A model laid out for a run, and where its graph comes from: what every split of its layers starts with.
struct OffloadSubject {
  const Model& model;
  const Architecture& architecture;
  const ContextLayout& layout;
  const TensorGraph* graph = nullptr;  ///< Null: `scratch` stands for every device.
  Scratch scratch;                     ///< Of one device with all layers.
};

/// The parts of a model on the host and on each device.
struct SpreadModel {
  OffloadRequest request;  ///< With as many layers as were chosen.
  Placement placement;
  DeviceMemory host;
  std::vector<DeviceMemory> devices;
  std::vector<std::string> notes;
};

/// Places the model and sizes each device's scratch. Errors: those of `place`, and overflow.
Result<SpreadModel> spread_model(const OffloadSubject& subject, const OffloadRequest& request);

/// The same after choosing the number of layers where the request leaves it open, as the engine's --fit does:
/// all of them if they fit; of a model with experts all layers but the experts of as few as needed; else the
/// most that fit, each device keeping `OffloadRequest::fit_margin` free.
Result<SpreadModel> fit_model(const OffloadSubject& subject, const OffloadRequest& request);

}  // namespace llmsize
