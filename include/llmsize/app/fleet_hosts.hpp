#pragma once
#include <string>
#include <vector>

#include "llmsize/app/services.hpp"
#include "llmsize/core/fleet_report.hpp"
#include "llmsize/core/host.hpp"
#include "llmsize/core/result.hpp"

namespace llmsize::app {

/// The hosts of a folder of saved probes, named after their files and sorted by name.
struct FleetHosts {
  std::vector<Host> hosts;
  std::vector<LeftOutHost> left_out;  ///< With --skip-bad only.
};

/// Reads every *.json of the folder; other files are ignored. A file that cannot be read, contradicts itself
/// or is of a machine that another file is of, too, is left out with `skip_bad` and an error without: one
/// that names them all. Errors: not_found where there is no probe, usage for too many.
Result<FleetHosts> read_fleet_hosts(const Services& services, const std::string& folder, bool skip_bad);

}  // namespace llmsize::app
