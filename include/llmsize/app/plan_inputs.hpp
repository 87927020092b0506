#pragma once
#include <vector>

#include "llmsize/app/plan_command.hpp"
#include "llmsize/app/plan_sizing.hpp"
#include "llmsize/app/services.hpp"
#include "llmsize/core/plan_report.hpp"
#include "llmsize/core/role.hpp"

namespace llmsize::app {

/// The roles that --roles names: of a file where it looks like one, else a role set of the catalog.
Result<std::vector<RoleDefinition>> roles_of(const Services& services, const PlanOptions& options);

/// Total, reserve and margin, and the pools: of a hypothetical machine by rule, of a real one by what is in
/// use. Fills budget, pools, threads and residency of `report`. Errors: not_found where memory is unknown.
Result<void> set_budget(const Services& services, const Host& host, const PlanOptions& options,
                        PlanReport& report);

/// What is known about speed on the machine that is planned for.
SpeedRequest speed_request(const PlanOptions& options);

/// Roles and their options: every candidate that passes the filters, at every quant of the policy, sized.
/// Errors: usage for pins of unknown roles, not_found for pinned models.
Result<void> add_roles(const Services& services, const Host& host, const PlanOptions& options,
                       const std::vector<RoleDefinition>& roles, PlanSizer& sizer, PlanReport& report);

}  // namespace llmsize::app
