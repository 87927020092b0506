#pragma once
#include <string>

#include "llmsize/core/fleet_check.hpp"
#include "llmsize/core/fleet_report.hpp"

namespace llmsize::render {

/// llmsize.fleet_plan/1, as docs/schema/fleet_plan.schema.json says. Each group holds its llmsize.plan/1.
std::string fleet_json(const FleetReport& report);
/// The page for people: a sentence with the verdict, then roles, classes, what a lost host means, and hosts.
std::string fleet_text(const FleetReport& report);

/// llmsize.fleet_check/1 and its page.
std::string fleet_check_json(const FleetCheck& check);
std::string fleet_check_text(const FleetCheck& check);

}  // namespace llmsize::render
