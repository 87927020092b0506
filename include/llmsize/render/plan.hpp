#pragma once
#include <string>

#include "llmsize/core/plan_check.hpp"
#include "llmsize/core/plan_difference.hpp"
#include "llmsize/core/plan_report.hpp"

namespace llmsize::render {

/// llmsize.plan/1, as docs/schema/plan.schema.json says.
std::string plan_json(const PlanReport& report);
/// The page for people: a sentence with the verdict, then the budget, the roles, and what comes next.
std::string plan_text(const PlanReport& report);

/// llmsize.plan_check/1 and its page.
std::string plan_check_json(const PlanCheck& check);
std::string plan_check_text(const PlanCheck& check);
/// llmsize.plan_diff/1 and its page.
std::string plan_difference_json(const PlanDifference& difference);
std::string plan_difference_text(const PlanDifference& difference);

}  // namespace llmsize::render
