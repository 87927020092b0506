#pragma once
#include <string>
#include <vector>

#include "llmsize/app/estimate_command.hpp"
#include "llmsize/cli/command.hpp"

namespace llmsize::cli {

/// What the command line gives beside the options of the estimate itself.
struct EstimateFlags {
  app::EstimateOptions options;
  std::string host_file;
};

/// The flags of estimate. `flags` must outlive the groups.
std::vector<OptionGroup> estimate_groups(EstimateFlags& flags, const TypeTable& types);

/// Those of one item of compare: all but the ones that say which answer is printed. The same.
std::vector<OptionGroup> item_groups(EstimateFlags& flags, const TypeTable& types);

/// Those of them that any model can be judged with: budget, devices, run, memory and speed. The same.
std::vector<OptionGroup> machine_groups(EstimateFlags& flags, const TypeTable& types);

/// The host that the answer is judged against: --host, which names a budget too, else this machine. Errors:
/// usage where --ram or --hosts describes another, and those of reading the file.
Result<Host> judging_host(const app::Services& services, EstimateFlags& flags);

}  // namespace llmsize::cli
