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

/// The flags of estimate and compare. `flags` must outlive the groups.
std::vector<OptionGroup> estimate_groups(EstimateFlags& flags, const TypeTable& types);

/// Those of them that any model can be judged with: budget, devices, run, memory and speed. The same.
std::vector<OptionGroup> machine_groups(EstimateFlags& flags, const TypeTable& types);

}  // namespace llmsize::cli
