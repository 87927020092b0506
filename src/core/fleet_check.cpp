#include "llmsize/core/fleet_check.hpp"

#include <algorithm>

namespace llmsize {

const char* host_check_name(HostCheck status) {
  constexpr const char* names[] = {"fits", "does_not_fit", "missing", "free"};
  return names[static_cast<int>(status)];
}

bool FleetCheck::fits() const {
  return std::all_of(hosts.begin(), hosts.end(),
                     [](const CheckedHost& host) { return host.lost_roles.empty(); });
}

}  // namespace llmsize
