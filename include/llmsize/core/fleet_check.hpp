#pragma once
#include <string>
#include <vector>

#include "llmsize/core/fleet_report.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

/// What became of a host of a saved fleet plan.
enum class HostCheck { fits, does_not_fit, missing, free };
const char* host_check_name(HostCheck status);

struct CheckedHost {
  std::string name, group;  ///< `group` is empty for a host that the plan left free.
  HostCheck status = HostCheck::fits;
  std::vector<std::string> lost_roles;  ///< All its roles where it is missing.
  Bytes lacking;                        ///< In the pool that lacks the most.
};

/// A saved fleet plan against new probes.
struct FleetCheck {
  std::string file, folder;
  std::vector<CheckedHost> hosts;  ///< In the plan's order.
  std::vector<std::string> added;  ///< Probed now, and not in the plan.
  std::vector<LeftOutHost> left_out;
  std::vector<std::string> notes;
  [[nodiscard]] bool fits() const;
};

}  // namespace llmsize
