#pragma once
#include <string>

#include "llmsize/core/fleet_report.hpp"

namespace llmsize::render {

/// llmsize.fleet_plan/1, as docs/schema/fleet_plan.schema.json says. Each group holds its llmsize.plan/1.
std::string fleet_json(const FleetReport& report);
/// The page for people: a sentence with the verdict, then roles, classes, what a lost host means, and hosts.
std::string fleet_text(const FleetReport& report);

}  // namespace llmsize::render
