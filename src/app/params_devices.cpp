#include "llmsize/app/params_devices.hpp"

namespace llmsize::app {
namespace {

double share(Bytes part, Bytes whole) {
  return whole.value() > 0 ? static_cast<double>(part.value()) / static_cast<double>(whole.value()) : 0;
}

/// A part that is an interval, cut where another model's is: the pieces of all memories add up to the whole.
struct Cut {
  const SizedPart& whole;
  Bytes like_whole;
  Bytes like_so_far{};

  SizedPart next(Bytes like_piece) {
    const double from = share(like_so_far, like_whole);
    like_so_far += like_piece;
    const double to = share(like_so_far, like_whole);
    SizedPart piece;
    for (const auto end : {&SizedPart::size, &SizedPart::low, &SizedPart::high})
      piece.*end = scaled_to_nearest(whole.*end, to) - scaled_to_nearest(whole.*end, from);
    return piece;
  }
};

/// What one memory holds; the spread around the middle is kept beside it.
DeviceMemory place_like(const DeviceMemory& place, Cut& weights_cut, Cut& caches_cut, Cut& states_cut) {
  const SizedPart weights = weights_cut.next(place.weights);
  const SizedPart caches = caches_cut.next(place.caches);
  const SizedPart states = states_cut.next(place.states);
  DeviceMemory result = place;
  result.weights = weights.size;
  result.caches = caches.size;
  result.states = states.size;
  const auto spread = [&](Bytes SizedPart::*end) {
    return weights.*end - weights.size + caches.*end - caches.size + states.*end - states.size;
  };
  result.companions = {Bytes(0),
                       spread(&SizedPart::low),
                       spread(&SizedPart::high),
                       Basis::derived,
                       "the interval of weights and caches",
                       true};
  return result;
}

struct Ends {
  Bytes size, low, high;
  void add(const DeviceMemory& place) {
    size += place.size();
    low += place.low();
    high += place.high();
  }
};

}  // namespace

void spread_like(Footprint& f, const Footprint& like, LoadMode mode) {
  f.offload = like.offload;
  f.placement = like.placement;
  f.repacked = like.repacked;
  f.compute = like.compute;
  f.load_staging = like.load_staging;
  f.pinned = like.pinned;
  f.device_runtime = like.device_runtime;
  f.kept_difference = like.kept_difference;
  const double growth = share(f.weights.size, like.weights.size);
  for (const auto end : {&SizedPart::size, &SizedPart::low, &SizedPart::high})
    f.kept_difference.*end = scaled_to_nearest(like.kept_difference.*end, growth);
  Cut weights{f.weights, like.weights.size};
  Cut caches{f.kv_cache, like.kv_cache.size};
  Cut states{f.state, like.state.size};
  f.host = place_like(like.host, weights, caches, states);
  f.devices.clear();
  Ends host, elsewhere;
  host.add(f.host);
  Bytes mapped = f.host.weights + f.kept_difference.size;
  for (std::size_t i = 0; i < like.devices.size(); ++i) {
    f.devices.push_back(place_like(like.devices[i], weights, caches, states));
    const auto& device = f.devices.back();
    (device.unified ? host : elsewhere).add(device);
    // Metal reads mapped weights where they are.
    if (device.unified && like.offload.devices[i].backend == "metal") mapped += device.weights;
  }
  for (const auto* part : {&f.output, &f.runtime, &f.kept_difference}) {
    host.size += part->size;
    host.low += part->low;
    host.high += part->high;
  }
  f.file_backed = mode == LoadMode::none ? Bytes(0) : mapped;
  f.anonymous = host.size - f.file_backed;
  f.elsewhere = elsewhere.size;
  f.elsewhere_high = elsewhere.high;
  f.total = host.size + elsewhere.size;
  f.low = host.low + elsewhere.low;
  f.high = host.high + elsewhere.high + f.prompt_cache.high;
}

}  // namespace llmsize::app
