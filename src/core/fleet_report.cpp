#include "llmsize/core/fleet_report.hpp"

#include <algorithm>

namespace llmsize {

bool FleetRole::lacks() const {
  // None is what --replicas ROLE=0 asks for.
  if (cloud || wanted == 0) return false;
  if (required && served == 0) return true;
  if (demand && delivered && *delivered < *demand) return true;
  return (asked || required) && wanted && served < *wanted;
}

std::size_t FleetReport::free_hosts() const {
  return static_cast<std::size_t>(
      std::count_if(hosts.begin(), hosts.end(), [](const PlannedHost& host) { return !host.group; }));
}

bool FleetReport::lacks_any() const {
  return std::any_of(roles.begin(), roles.end(), [](const FleetRole& role) { return role.lacks(); });
}

}  // namespace llmsize
