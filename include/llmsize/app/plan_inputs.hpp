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

/// GPUs of the machine as further pools of `report.request`, identical ones as one pool, and the groups of
/// them that a model may be split over: one, powers of two, all.
Result<std::vector<DeviceGroup>> add_gpu_pools(const Services& services, const Host& host,
                                               const PlanOptions& options, PlanReport& report);

/// The request with a pool per NUMA node instead of all memory interleaved; nothing on machines of one node.
std::optional<PlanRequest> bound_to_nodes(const Host& host, const PlanOptions& options,
                                          const PlanRequest& request);

/// Roles and their options: every candidate that passes the filters, at every quant of the policy, sized.
/// Errors: usage for pins of unknown roles, not_found for pinned models.
Result<void> add_roles(const Services& services, const Host& host, const PlanOptions& options,
                       const std::vector<RoleDefinition>& roles, const std::vector<DeviceGroup>& gpus,
                       PlanSizer& sizer, PlanReport& report);

/// Between a GPU and the host's memory, or between hosts of which some have GPUs, quality alone cannot
/// choose: an option's worth becomes quality x t / (t + half) with its decode speed t.
void weigh_speed(const Host& host, const PlanOptions& options, PlanSizer& sizer, PlanReport& report);

}  // namespace llmsize::app
