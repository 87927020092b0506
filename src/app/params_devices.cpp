#include "llmsize/app/params_devices.hpp"

#include <cmath>

namespace llmsize::app {
namespace {

Bytes scaled(Bytes size, double factor) {
  if (size.is_saturated()) return size;
  return Bytes(std::llround(static_cast<double>(size.value()) * factor));
}

double share(Bytes part, Bytes whole) {
  return whole.value() > 0 ? static_cast<double>(part.value()) / static_cast<double>(whole.value()) : 0;
}

/// What one memory holds of parts that are intervals; the spread around the middle is kept beside it.
DeviceMemory place_like(const Footprint& f, const Footprint& like, const DeviceMemory& place) {
  const double weights = share(place.weights, like.weights.size);
  const double caches = share(place.caches, like.kv_cache.size);
  const double states = share(place.states, like.state.size);
  DeviceMemory result = place;
  result.weights = scaled(f.weights.size, weights);
  result.caches = scaled(f.kv_cache.size, caches);
  result.states = scaled(f.state.size, states);
  const auto around = [](const SizedPart& part, Bytes SizedPart::*end, double factor) {
    return scaled(part.*end - part.size, factor);
  };
  const auto spread = [&](Bytes SizedPart::*end) {
    return around(f.weights, end, weights) + around(f.kv_cache, end, caches) + around(f.state, end, states);
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
  f.host = place_like(f, like, like.host);
  f.devices.clear();
  Ends host, elsewhere;
  host.add(f.host);
  for (const auto& device : like.devices) {
    f.devices.push_back(place_like(f, like, device));
    (device.unified ? host : elsewhere).add(f.devices.back());
  }
  for (const auto* part : {&f.output, &f.runtime}) {
    host.size += part->size;
    host.low += part->low;
    host.high += part->high;
  }
  f.file_backed = mode == LoadMode::none ? Bytes(0) : f.host.weights;
  f.anonymous = host.size - f.file_backed;
  f.elsewhere = elsewhere.size;
  f.elsewhere_high = elsewhere.high;
  f.total = host.size + elsewhere.size;
  f.low = host.low + elsewhere.low;
  f.high = host.high + elsewhere.high + f.prompt_cache.high;
}

}  // namespace llmsize::app
