#pragma once
#include <string>

#include "llmsize/core/plan_report.hpp"

namespace llmsize::render {

/// llmsize.plan/1, as docs/schema/plan.schema.json says.
std::string plan_json(const PlanReport& report);
/// The page for people: a sentence with the verdict, then the budget, the roles, and what comes next.
std::string plan_text(const PlanReport& report);

}  // namespace llmsize::render
