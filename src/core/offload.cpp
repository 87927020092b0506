#include "llmsize/core/offload.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "llmsize/core/graph_split.hpp"
#include "llmsize/core/model.hpp"

namespace llmsize {
namespace {

/// What a driver takes of a device before the first buffer, by backend.
struct DriverContext {
  std::string_view backend;
  Bytes low, middle, high;
  std::string_view source;
};

/// A 24,576 MiB RTX 4090 shows the engine 24,077 MiB free (llama.cpp, tools/fit-params/README.md); the other
/// backends' figures are assumptions of the same order.
constexpr DriverContext driver_contexts[] = {
    {"cuda", mebibytes(256), mebibytes(499), mebibytes(768),
     "499 MiB of an RTX 4090 are not free to start with"},
    {"rocm", mebibytes(128), mebibytes(384), mebibytes(768), "assumed, like CUDA's"},
    {"vulkan", mebibytes(64), mebibytes(128), mebibytes(512), "assumed"}};

SizedPart driver_context(const Device& device) {
  for (const auto& context : driver_contexts)
    if (context.backend == device.backend)
      return {context.middle, context.low, context.high, Basis::assumed, std::string(context.source), true};
  return {Bytes(0), Bytes(0), Bytes(0), Basis::assumed, "no driver named", true};
}

SizedPart exact_scratch(Bytes size, const std::string& source) {
  return {size, size, size, Basis::derived, source, true};
}

SizedPart same_scratch(const Scratch& scratch) {
  return {scratch.size, scratch.low, scratch.high, scratch.basis, scratch.source, true};
}

/// Whether the model has experts that can stay on the host.
bool has_experts(const Model& model) {
  return model.hyperparameters.expert_count() > 0;
}

bool fits(const SpreadModel& spread) {
  return std::all_of(spread.devices.begin(), spread.devices.end(), [&](const DeviceMemory& device) {
    return !device.capacity.known() || device.high() + spread.request.fit_margin <= *device.capacity.value;
  });
}

/// The engine adapts nothing where the user placed weights himself.
bool is_placed_by_hand(const OffloadRequest& request) {
  return !request.tensor_split.empty() || !request.overrides.empty() || request.cpu_expert_layers > 0;
}

/// The largest `n` from `low` (which need not be tried) to `high` for which `works`, monotonic, is true.
template <class Works>
Result<std::int64_t> largest(std::int64_t low, std::int64_t high, Works works) {
  while (low < high) {
    const std::int64_t middle = low + (high - low + 1) / 2;
    const auto answer = works(middle);
    if (!answer) return tl::unexpected(answer.error());
    (*answer ? low : high) = *answer ? middle : middle - 1;
  }
  return low;
}

}  // namespace

Result<SpreadModel> spread_model(const OffloadSubject& subject, const OffloadRequest& request) {
  SpreadModel spread;
  spread.request = request;
  if (request.gpu_layers < 0) spread.request.gpu_layers = subject.model.hyperparameters.layer_count() + 1;
  auto placement = place(subject.model, subject.architecture, subject.layout, spread.request);
  if (!placement) return tl::unexpected(placement.error());
  spread.placement = std::move(*placement);
  std::vector<SizedPart> scratch(spread.placement.shares.size(), same_scratch(subject.scratch));
  if (subject.graph != nullptr) {
    const auto sizes = split_scratch(*subject.graph, subject.model, spread.request, spread.placement);
    if (!sizes) return tl::unexpected(sizes.error());
    for (std::size_t i = 0; i < sizes->size(); ++i)
      scratch[i] = exact_scratch((*sizes)[i], subject.scratch.source);
  }
  for (std::size_t i = 0; i < spread.placement.shares.size(); ++i) {
    const auto& share = spread.placement.shares[i];
    DeviceMemory memory;
    memory.device = share.device;
    memory.weights = share.weights;
    memory.caches = share.caches;
    memory.states = share.states;
    memory.compute = std::move(scratch[i]);
    memory.capacity = share.capacity;
    if (i == 0) {
      spread.host = std::move(memory);
      continue;
    }
    const auto& device = request.devices[i - 1];
    memory.label = device.label;
    memory.unified = device.unified;
    memory.runtime = driver_context(device);
    spread.devices.push_back(std::move(memory));
  }
  return spread;
}

Result<SpreadModel> fit_model(const OffloadSubject& subject, const OffloadRequest& request) {
  const std::int64_t layers = subject.model.hyperparameters.layer_count();
  auto all = request;
  all.gpu_layers = layers + 1;
  if (request.gpu_layers != fitting_gpu_layers)
    return spread_model(subject, request.gpu_layers < 0 ? all : request);
  auto whole = spread_model(subject, all);
  if (!whole || fits(*whole)) return whole;
  if (is_placed_by_hand(request)) {
    whole->notes.emplace_back(
        "the engine moves every layer where --tensor-split, --override-tensor or --n-cpu-moe is given; "
        "--gpu-layers moves fewer");
    return whole;
  }
  const auto fits_with = [&](std::int64_t gpu_layers, std::int64_t expert_layers) -> Result<bool> {
    auto trial = all;
    trial.gpu_layers = gpu_layers;
    trial.cpu_expert_layers = expert_layers;
    const auto spread = spread_model(subject, trial);
    if (!spread) return tl::unexpected(spread.error());
    return fits(*spread);
  };
  if (has_experts(subject.model)) {
    all.cpu_expert_layers = layers;
    const auto dense_fits = fits_with(layers + 1, layers);
    if (!dense_fits) return tl::unexpected(dense_fits.error());
    if (*dense_fits) {
      const auto on_devices =
          largest(0, layers - 1, [&](std::int64_t n) { return fits_with(layers + 1, layers - n); });
      if (!on_devices) return tl::unexpected(on_devices.error());
      all.cpu_expert_layers = layers - *on_devices;
      return spread_model(subject, all);
    }
  }
  const auto moved = largest(0, layers, [&](std::int64_t n) { return fits_with(n, all.cpu_expert_layers); });
  if (!moved) return tl::unexpected(moved.error());
  all.gpu_layers = *moved;
  if (*moved == 0) all.cpu_expert_layers = 0;
  return spread_model(subject, all);
}

}  // namespace llmsize
