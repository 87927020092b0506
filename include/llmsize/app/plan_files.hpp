#pragma once
#include <string>

#include "llmsize/app/outcome.hpp"
#include "llmsize/app/plan_command.hpp"
#include "llmsize/app/saved_plan.hpp"
#include "llmsize/app/services.hpp"
#include "llmsize/core/host.hpp"
#include "llmsize/core/plan_check.hpp"

namespace llmsize::app {

/// The instances of a saved plan, sized again and judged against `host` (or --ram). `file` is for messages.
/// `sized`: the instances as they were sized for another host of the same class, to save that work.
Result<PlanCheck> checked_plan(const Services& services, const Host& host, const PlanOptions& options,
                               const SavedPlan& plan, const std::string& file,
                               const std::vector<CheckedInstance>* sized = nullptr);

/// Sizes the instances of the plan saved in `file` again and judges them against `host` (or --ram). Exit
/// status 3 where something no longer fits.
Result<Outcome> check_plan(const Services& services, const Host& host, const PlanOptions& options,
                           const std::string& file);

/// What changed between two saved plans: budgets, and model, quant, context and tier of each role.
Result<Outcome> compare_plans(const Services& services, const std::string& before, const std::string& after,
                              bool json);

}  // namespace llmsize::app
