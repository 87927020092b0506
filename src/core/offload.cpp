#include "llmsize/core/offload.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "llmsize/core/graph_split.hpp"
#include "llmsize/core/model.hpp"
#include "placer.hpp"

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

/// What each place reserves for the graph: exact, or the formula's for all.
Result<std::vector<SizedPart>> scratch_by_place(const OffloadSubject& subject, const SpreadModel& spread) {
  std::vector<SizedPart> scratch(spread.placement.shares.size(), same_scratch(subject.scratch));
  if (subject.graph == nullptr) return scratch;
  const auto sizes = split_scratch(*subject.graph, subject.model, spread.request, spread.placement);
  if (!sizes) return tl::unexpected(sizes.error());
  for (std::size_t i = 0; i < sizes->size(); ++i)
    scratch[i] = exact_scratch((*sizes)[i], subject.scratch.source);
  return scratch;
}

std::vector<SizedPart> scratch_of(const SpreadModel& spread) {
  std::vector<SizedPart> scratch{spread.host.compute};
  for (const auto& device : spread.devices) scratch.push_back(device.compute);
  return scratch;
}

/// A model that is spread over the devices of a request in several ways, with its weights looked at once.
struct Spreading {
  const OffloadSubject& subject;
  Placer placer;
};

/// Places the model; `known_scratch` stands in for the graph's, whose cost is most of the whole.
Result<SpreadModel> spread_with(const Spreading& spreading, const OffloadRequest& request,
                                const std::vector<SizedPart>* known_scratch) {
  const auto& subject = spreading.subject;
  SpreadModel spread;
  spread.request = request;
  // More than there are mean all of them, the output included.
  const std::int64_t layers = subject.model.hyperparameters.layer_count();
  spread.request.gpu_layers = request.gpu_layers < 0 ? layers + 1 : std::min(request.gpu_layers, layers + 1);
  spread.request.cpu_expert_layers = std::min(request.cpu_expert_layers, layers);
  auto placement = spreading.placer.place(spread.request.gpu_layers, spread.request.cpu_expert_layers);
  if (!placement) return tl::unexpected(placement.error());
  spread.placement = std::move(*placement);
  auto scratch = known_scratch != nullptr ? Result<std::vector<SizedPart>>(*known_scratch)
                                          : scratch_by_place(subject, spread);
  if (!scratch) return tl::unexpected(scratch.error());
  for (std::size_t i = 0; i < spread.placement.shares.size(); ++i) {
    const auto& share = spread.placement.shares[i];
    DeviceMemory memory;
    memory.device = share.device;
    memory.weights = share.weights;
    memory.caches = share.caches;
    memory.states = share.states;
    memory.compute = std::move((*scratch)[i]);
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

Result<SpreadModel> spread_exactly(const Spreading& spreading, const OffloadRequest& request) {
  return spread_with(spreading, request, nullptr);
}

std::vector<SizedPart> no_scratch(const OffloadRequest& request) {
  return std::vector<SizedPart>(request.devices.size() + 1);
}

/// A way to keep more or less of the model on the devices, in steps.
using Settings = std::function<OffloadRequest(std::int64_t step)>;

/// The most of `highest` steps that fit where each place takes `scratch`; -1 where not even step 0 does.
Result<std::int64_t> most_steps(const Spreading& spreading, const Settings& settings, std::int64_t highest,
                                const std::vector<SizedPart>& scratch) {
  std::int64_t low = -1, high = highest;
  while (low < high) {
    const std::int64_t middle = low + (high - low + 1) / 2;
    const auto trial = spread_with(spreading, settings(middle), &scratch);
    if (!trial) return tl::unexpected(trial.error());
    (fits(*trial) ? low : high) = fits(*trial) ? middle : middle - 1;
  }
  return low;
}

/// The most of `highest` steps that fit; nothing where not even step 0 does. Splitting the graph costs most,
/// so the steps that do not even fit without scratch bound the search, the first split's scratch says where
/// to look below that, and only there each step is split itself.
Result<std::optional<SpreadModel>> most_that_fit(const Spreading& spreading, const Settings& settings,
                                                 std::int64_t highest) {
  const auto bound = most_steps(spreading, settings, highest, no_scratch(settings(highest)));
  if (!bound) return tl::unexpected(bound.error());
  if (*bound < 0) return std::nullopt;
  auto trial = spread_exactly(spreading, settings(*bound));
  if (!trial) return tl::unexpected(trial.error());
  if (fits(*trial)) return std::optional(std::move(*trial));
  const auto likely = most_steps(spreading, settings, *bound - 1, scratch_of(*trial));
  if (!likely) return tl::unexpected(likely.error());
  std::optional<SpreadModel> best;
  bool missed = false;
  for (std::int64_t step = std::max<std::int64_t>(*likely, 0); step >= 0 && step < *bound;) {
    trial = spread_exactly(spreading, settings(step));
    if (!trial) return tl::unexpected(trial.error());
    const bool fit = fits(*trial);
    if (fit) best = std::move(*trial);
    missed = missed || !fit;
    if (best && missed) break;
    step += fit ? 1 : -1;
  }
  return best;
}

}  // namespace

Result<SpreadModel> spread_model(const OffloadSubject& subject, const OffloadRequest& request) {
  auto placer = Placer::of(subject.model, subject.architecture, subject.layout, request);
  if (!placer) return tl::unexpected(placer.error());
  return spread_exactly({subject, std::move(*placer)}, request);
}

Result<SpreadModel> fit_model(const OffloadSubject& subject, const OffloadRequest& request) {
  const std::int64_t layers = subject.model.hyperparameters.layer_count();
  auto all = request;
  all.gpu_layers = layers + 1;
  if (request.gpu_layers != fitting_gpu_layers)
    return spread_model(subject, request.gpu_layers < 0 ? all : request);
  auto placer = Placer::of(subject.model, subject.architecture, subject.layout, request);
  if (!placer) return tl::unexpected(placer.error());
  const Spreading spreading{subject, std::move(*placer)};
  const bool by_hand = is_placed_by_hand(request);
  const auto least = no_scratch(all);
  auto whole = spread_with(spreading, all, by_hand ? nullptr : &least);
  if (whole && !by_hand && fits(*whole)) whole = spread_exactly(spreading, all);
  if (!whole || fits(*whole)) return whole;
  if (by_hand) {
    whole->notes.emplace_back(
        "the engine moves every layer where --tensor-split, --override-tensor or --n-cpu-moe is given; "
        "--gpu-layers moves fewer");
    return whole;
  }
  if (has_experts(subject.model)) {
    const auto keeping = [&](std::int64_t step) {
      auto trial = all;
      trial.cpu_expert_layers = layers - step;
      return trial;
    };
    auto kept = most_that_fit(spreading, keeping, layers - 1);
    if (!kept) return tl::unexpected(kept.error());
    if (*kept) return **std::move(kept);
    all.cpu_expert_layers = layers;
  }
  const auto moving = [&](std::int64_t step) {
    auto trial = all;
    trial.gpu_layers = step;
    if (step == 0) trial.cpu_expert_layers = 0;
    return trial;
  };
  auto moved = most_that_fit(spreading, moving, layers);
  if (!moved) return tl::unexpected(moved.error());
  return *moved ? **std::move(moved) : spread_exactly(spreading, moving(0));
}

}  // namespace llmsize
