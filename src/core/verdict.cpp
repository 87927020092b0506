#include <algorithm>

#include "llmsize/core/footprint.hpp"

namespace llmsize {
namespace {

Fit fit_of(Bytes need, Bytes droppable, Bytes budget) {
  if (need <= budget) return Fit::resident;
  return need - droppable <= budget && droppable > Bytes(0) ? Fit::pages_from_disk : Fit::cannot;
}

PlaceVerdict place_verdict(const std::string& device, const Fact<Bytes>& budget, Bytes need) {
  return {device, budget, need, budget.known() ? *budget.value - need : Bytes(0)};
}

/// Adds a memory and lets it decide.
void decide_by(Verdict& verdict, PlaceVerdict place, const std::string& bound_by) {
  verdict.bound_by = bound_by;
  verdict.budget = place.budget;
  verdict.headroom = place.headroom;
  verdict.places.push_back(std::move(place));
}

/// A device decides where it is too small or unknown, or leaves less room than what decided so far.
void judge_device(Verdict& verdict, const DeviceMemory& device, bool incomplete) {
  auto place = place_verdict(device.device, device.capacity, device.high());
  const std::string name = device.label.empty() ? device.device : device.device + " (" + device.label + ")";
  if (!place.budget.known()) {
    if (verdict.fit != Fit::cannot) verdict.fit = Fit::unknown;
    verdict.places.push_back(std::move(place));
    return;
  }
  const bool too_small = place.headroom < Bytes(0);
  const bool first_to_fail = too_small && (verdict.fit != Fit::cannot || place.headroom < verdict.headroom);
  // A device that holds nothing binds nothing.
  const bool tightest = verdict.fit == Fit::resident && verdict.budget.known() && place.need > Bytes(0) &&
                        place.headroom < verdict.headroom;
  if (too_small) verdict.prompt_cache_decides = false;
  if (first_to_fail || tightest)
    decide_by(verdict, std::move(place), name);
  else
    verdict.places.push_back(std::move(place));
  if (too_small)
    verdict.fit = Fit::cannot;
  else if (incomplete && verdict.fit == Fit::resident)
    verdict.fit = Fit::unknown;
}

}  // namespace

const char* fit_name(Fit fit) {
  constexpr const char* names[] = {"resident", "pages_from_disk", "cannot", "unknown"};
  return names[static_cast<int>(fit)];
}

Verdict judge(const Footprint& footprint, const Fact<Bytes>& budget, const std::string& bound_by) {
  Verdict verdict;
  const Bytes droppable = footprint.locked ? Bytes(0) : footprint.file_backed;
  const Bytes need = footprint.host_high();
  const bool incomplete = !footprint.kv_cache.known || !footprint.compute.known;
  decide_by(verdict, place_verdict("CPU", budget, need), bound_by);
  if (budget.known()) {
    verdict.fit = fit_of(need, droppable, *budget.value);
    if (incomplete && verdict.fit != Fit::cannot) verdict.fit = Fit::unknown;
    verdict.prompt_cache_decides =
        verdict.fit != fit_of(need - footprint.prompt_cache.high, droppable, *budget.value) && !incomplete;
  }
  for (const auto& device : footprint.devices)
    if (!device.unified) judge_device(verdict, device, incomplete);
  return verdict;
}

}  // namespace llmsize
