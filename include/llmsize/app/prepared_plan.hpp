#pragma once
#include <memory>
#include <vector>

#include "llmsize/app/plan_command.hpp"
#include "llmsize/app/plan_sizing.hpp"
#include "llmsize/core/plan_report.hpp"
#include "llmsize/core/role.hpp"

namespace llmsize::app {

/// Options that make no sense together, name nothing or cannot be written, before any work is done.
Result<void> check_plan_options(const Services& services, const PlanOptions& options);

/// A plan before it is solved: budgets, pools, roles and their sized variants. A fleet solves one for several
/// sets of roles without sizing anything twice.
struct PreparedPlan {
  PlanReport report;
  std::vector<DeviceGroup> gpus;
  std::shared_ptr<PlanSizer> sizer;
};

/// Sizes every variant of every role for one machine. Errors: as `set_budget` and `add_roles`.
/// `sizer`: that of another machine with the same instruction sets, so that no model is loaded again.
Result<PreparedPlan> prepare_plan(const Services& services, const Host& host, const PlanOptions& options,
                                  const std::vector<RoleDefinition>& roles,
                                  std::shared_ptr<PlanSizer> sizer = nullptr);

/// Solves a prepared report and adds all that an answer says: files, speeds, reasons, servers, the document.
Result<PlanReport> finish_plan(const Services& services, const Host& host, const PlanOptions& options,
                               PlanSizer& sizer, PlanReport report);

}  // namespace llmsize::app
