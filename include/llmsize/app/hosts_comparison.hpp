#pragma once
#include "llmsize/app/estimate_command.hpp"
#include "llmsize/app/outcome.hpp"

namespace llmsize::app {

/// Judges the model against every saved probe (*.json) in --hosts, by name. Exit status 3 where no host runs
/// it. Errors: not_found for the folder or where it holds no probe.
Result<Outcome> compare_hosts(const Services& services, const EstimateOptions& options);

}  // namespace llmsize::app
