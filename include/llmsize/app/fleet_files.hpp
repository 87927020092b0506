#pragma once
#include <string>

#include "llmsize/app/fleet_plan.hpp"
#include "llmsize/app/outcome.hpp"
#include "llmsize/app/plan_command.hpp"
#include "llmsize/app/services.hpp"

namespace llmsize::app {

/// Judges every host of the fleet plan saved in `file` against its new probe in --hosts. Exit status 3 where
/// a host no longer fits what it serves or has no probe.
Result<Outcome> check_fleet_plan(const Services& services, const PlanOptions& options,
                                 const FleetOptions& fleet, const std::string& file);

}  // namespace llmsize::app
