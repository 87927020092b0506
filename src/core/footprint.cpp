#include "llmsize/core/footprint.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "footprint_parts.hpp"
#include "llmsize/core/architecture.hpp"
#include "llmsize/core/model.hpp"
#include "llmsize/core/offload.hpp"
#include "llmsize/core/repack.hpp"
#include "llmsize/core/scratch_closed_form.hpp"
#include "llmsize/core/weights.hpp"
#include "weight_residency.hpp"

namespace llmsize {
namespace {

SizedPart nobody_knows(std::string why) {
  SizedPart part;
  part.basis = Basis::assumed;
  part.source = std::move(why);
  part.known = false;
  return part;
}

SizedPart compute_part(const Scratch& scratch) {
  return {scratch.size, scratch.low, scratch.high, scratch.basis, scratch.source, true};
}

Result<Scratch> scratch_of(const Model& model, const Architecture& architecture, const Run& run,
                           const ContextLayout& layout) {
  auto exact = compute_scratch(model, architecture, run, layout);
  if (exact || exact.error().code != ErrorCode::unsupported) return exact;
  return closed_form_scratch(model, run, layout);
}

/// Parts that need the architecture; unknown ones stay unknown rather than zero.
void add_context_sizes(Footprint& result, const ContextLayout& layout, const Run& run) {
  const auto size = context_size(layout, run.context_tokens);
  result.kv_cache = exactly(size.caches, "caches of each layer, by the architecture's rule");
  result.kv_active = exactly(size.active, "cells that hold tokens when the context is full");
  result.state = exactly(size.states, "recurrent state of each layer and sequence");
  note_checkpoints(result, layout, run);
}

void add_unknown_context(Footprint& result, const std::string& why) {
  result.kv_cache = result.kv_active = result.state = result.compute = nobody_knows(why);
  result.notes.push_back(why + "; weights are exact, the totals lack caches and scratch");
}

/// Everything on the host.
Result<void> add_host(Footprint& result, const Model& model, const Architecture& architecture, const Run& run,
                      const Scratch* known_scratch) {
  result.weights = exactly(engine_weights_size(model), "each tensor padded to 32 bytes");
  const auto layout = context_layout(model, architecture, run);
  if (!layout) {
    if (layout.error().code != ErrorCode::unsupported) return tl::unexpected(layout.error());
    add_unknown_context(result, layout.error().message);
  } else {
    add_context_sizes(result, *layout, run);
    auto scratch = known_scratch != nullptr ? Result<Scratch>(*known_scratch)
                                            : scratch_of(model, architecture, run, *layout);
    if (!scratch) return tl::unexpected(scratch.error());
    result.scratch = *std::move(scratch);
    result.compute = compute_part(result.scratch);
  }
  result.host.device = "CPU";
  result.host.weights = result.weights.size;
  result.host.caches = result.kv_cache.size;
  result.host.states = result.state.size;
  result.host.compute = result.compute;
  return {};
}

/// The sum of one part over the host and all devices.
Bytes sum_over(const Footprint& f, Bytes DeviceMemory::*part) {
  Bytes sum = f.host.*part;
  for (const auto& device : f.devices) sum += device.*part;
  return sum;
}

SizedPart compute_of_all(const Footprint& f) {
  SizedPart sum = f.host.compute;
  for (const auto& device : f.devices) {
    sum.size += device.compute.size;
    sum.low += device.compute.low;
    sum.high += device.compute.high;
  }
  return sum;
}

/// Layers on the devices, the rest on the host.
Result<void> add_devices(Footprint& result, const Model& model, const Architecture& architecture,
                         const Run& run, const OffloadRequest& offload, const Scratch* known_scratch) {
  const auto layout = context_layout(model, architecture, run);
  if (!layout && layout.error().code != ErrorCode::unsupported) return tl::unexpected(layout.error());
  const ContextLayout nothing;
  OffloadSubject subject{model, architecture, layout ? *layout : nothing, nullptr, {}};
  const auto graph = layout && known_scratch == nullptr
                         ? prompt_graph(model, architecture, run, *layout)
                         : fail(ErrorCode::unsupported, "the caches or the graph are not looked at");
  if (known_scratch != nullptr) {
    subject.scratch = *known_scratch;
  } else if (graph) {
    subject.graph = &*graph;
    subject.scratch.source = fmt::format("graph allocator over {} operations, split", graph->nodes.size());
  } else if (graph.error().code != ErrorCode::unsupported) {
    return tl::unexpected(graph.error());
  } else if (layout) {
    subject.scratch = closed_form_scratch(model, run, *layout);
  }
  auto spread = fit_model(subject, offload);
  if (!spread) return tl::unexpected(spread.error());
  result.offload = std::move(spread->request);
  result.placement = std::move(spread->placement);
  result.host = std::move(spread->host);
  result.devices = std::move(spread->devices);
  result.notes = std::move(spread->notes);
  result.weights = exactly(sum_over(result, &DeviceMemory::weights), "each tensor padded as its device pads");
  if (!layout) {
    add_unknown_context(result, layout.error().message);
    return {};
  }
  add_context_sizes(result, *layout, run);
  result.kv_cache.size = result.kv_cache.low = result.kv_cache.high = sum_over(result, &DeviceMemory::caches);
  result.state.size = result.state.low = result.state.high = sum_over(result, &DeviceMemory::states);
  result.compute = compute_of_all(result);
  result.scratch = graph ? Scratch{{}, {}, {}, Basis::derived, subject.scratch.source, named_parts(*graph)}
                         : subject.scratch;
  result.scratch.size = result.compute.size;
  result.scratch.low = result.compute.low;
  result.scratch.high = result.compute.high;
  return {};
}

/// The drivers' contexts on all devices.
SizedPart runtime_of_devices(const Footprint& f) {
  SizedPart sum = exactly(Bytes(0), "no device");
  for (const auto& device : f.devices) {
    sum.size += device.runtime.size;
    sum.low += device.runtime.low;
    sum.high += device.runtime.high;
    sum.basis = device.runtime.basis;
    sum.source = device.runtime.source;
  }
  return sum;
}

/// Why memory keeps more or less than the buffers' weights and their copies.
SizedPart kept_difference(const Footprint& f, const WeightResidency& kept, LoadMode mode) {
  const Bytes difference = kept.file_backed + kept.anonymous - f.host.weights - f.repacked.size;
  return exactly(difference, difference > Bytes(0)
                                 ? "the mapping reaches from the host's first weight to its last, over others"
                             : mode == LoadMode::none
                                 ? "a repacked weight is read into its copy only"
                                 : "the file is unmapped before the first and after the last weight used in "
                                   "place; two buffers over one weight share its pages");
}

/// What each device takes: of the host's memory, if they share it, else of its own.
void add_device_totals(Footprint& f, LoadMode mode, Bytes& low, Bytes& high) {
  for (std::size_t i = 0; i < f.devices.size(); ++i) {
    const auto& device = f.devices[i];
    if (!device.unified) {
      f.elsewhere += device.size();
      f.elsewhere_high += device.high();
      low += device.low();
      high += device.high();
      continue;
    }
    // Metal reads mapped weights where they are.
    const bool mapped = f.offload.devices[i].backend == "metal" && mode != LoadMode::none;
    const Bytes backed = mapped ? device.weights : Bytes(0);
    f.file_backed += backed;
    f.anonymous += device.size() - backed;
    low += device.low() - backed;
    high += device.high() - backed;
  }
}

void add_totals(Footprint& f, const WeightResidency& weights, LoadMode mode) {
  f.kept_difference = kept_difference(f, weights, mode);
  f.device_runtime = runtime_of_devices(f);
  f.file_backed = weights.file_backed;
  Bytes low = weights.anonymous, high = weights.anonymous;
  f.anonymous = weights.anonymous;
  const Bytes context = f.host.caches + f.host.states;
  f.anonymous += context;
  low += context;
  high += context;
  // The other parts that are neither weights nor grow with use.
  const SizedPart* const parts[] = {&f.host.compute, &f.output, &f.runtime};
  for (const auto* part : parts) {
    f.anonymous += part->size;
    low += part->low;
    high += part->high;
  }
  add_device_totals(f, mode, low, high);
  f.total = f.anonymous + f.file_backed + f.elsewhere;
  f.low = low + f.file_backed;
  f.high = high + f.file_backed + f.prompt_cache.high;
}

/// What does not depend on where the layers are, then the sums.
Result<Footprint> finish(Footprint result, const Model& model, const Run& run, const Residency& residency,
                         const Repacking& repacked) {
  result.repacked = exactly(repacked.copies, repacked.unit.empty() ? "nothing is repacked"
                                                                   : "copies laid out for " + repacked.unit);
  result.output = output_buffer(model, run);
  result.runtime = runtime_part(model);
  const Bytes cap = run.tool == Tool::server ? residency.prompt_cache_cap : Bytes(0);
  result.prompt_cache = {
      cap, Bytes(0), cap, Basis::assumed, "the server's cap (--cache-ram); it grows with use", true};
  for (auto* absent : {&result.adapters, &result.projector, &result.draft})
    *absent = exactly(Bytes(0), "none named");
  result.orchestration = exactly(Bytes(0), "nothing beside the engine; --orchestration says otherwise");
  result.token_vectors = token_vectors(model, run);
  result.results = result_part(run);
  result.load_staging = load_staging(result, residency.load_mode);
  result.locked = residency.load_mode == LoadMode::mlock;
  const bool split = !result.devices.empty();
  add_totals(result,
             split ? host_weights(model, result, residency.load_mode)
                   : weight_residency(model, repacked, residency.load_mode),
             residency.load_mode);
  if (result.high.is_saturated())
    return fail(ErrorCode::overflow, "the model's sizes exceed 64 bits", "Its hyperparameters are damaged.");
  return result;
}

}  // namespace

Result<Footprint> footprint(const Model& model, const Architecture& architecture, const Run& run,
                            const Residency& residency, const Scratch* known_scratch) {
  Footprint result;
  if (auto added = add_host(result, model, architecture, run, known_scratch); !added)
    return tl::unexpected(added.error());
  return finish(std::move(result), model, run, residency,
                residency.repack ? repacking(model, residency.isa) : Repacking{});
}

Bytes other_need(const DeviceMemory& device) {
  return device.high() - (device.weights + device.caches + device.states + device.compute.size);
}

Bytes other_need_of_host(const Footprint& f) {
  Bytes other = f.host_high() - (f.host.weights + f.host.caches + f.host.states + f.host.compute.size);
  for (const auto& device : f.devices)
    if (device.unified) other -= device.high();
  return other;
}

void add_companion(Footprint& f, const Companion& companion) {
  const auto add = [](SizedPart& to, const SizedPart& what) {
    to.size += what.size;
    to.low += what.low;
    to.high += what.high;
  };
  const bool first = (f.*companion.part).high == Bytes(0);
  add(f.*companion.part, companion.size);
  (f.*companion.part).basis = companion.size.basis;
  if (first) (f.*companion.part).source = companion.size.source;
  const bool on_host = companion.device == Placement::host;
  auto& place = on_host ? f.host : f.devices[static_cast<std::size_t>(companion.device)];
  add(place.companions, companion.size);
  if (!on_host && !place.unified) {
    f.elsewhere += companion.size.size;
    f.elsewhere_high += companion.size.high;
  } else {
    (companion.mapped ? f.file_backed : f.anonymous) += companion.size.size;
  }
  f.total += companion.size.size;
  f.low += companion.size.low;
  f.high += companion.size.high;
}

Result<Footprint> footprint(const Model& model, const Architecture& architecture, const Run& run,
                            const Residency& residency, const OffloadRequest& offload,
                            const Scratch* known_scratch) {
  if (offload.devices.empty()) return footprint(model, architecture, run, residency, known_scratch);
  Footprint result;
  if (auto added = add_devices(result, model, architecture, run, offload, known_scratch); !added)
    return tl::unexpected(added.error());
  auto finished = finish(std::move(result), model, run, residency, Repacking{});
  if (!finished) return finished;
  const auto& devices = finished->offload.devices;
  if (std::any_of(devices.begin(), devices.end(), [](const Device& d) { return d.has_host_buffer; }))
    finished->pinned = finished->host.compute.size + finished->output.size +
                       (residency.load_mode == LoadMode::none ? finished->host.weights : Bytes(0));
  return finished;
}

}  // namespace llmsize
