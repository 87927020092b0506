#pragma once
#include <optional>

#include "llmsize/core/fleet.hpp"

// The two searches behind `assign_roles`; nobody else's business.
namespace llmsize::fleet_search {

/// Every combination of replicas, class by class and host by host. Nothing where that is too much work.
std::optional<FleetAssignment> exact(const FleetRequest& request);

/// One replica after another where it is worth most; where none fits, one other may move to make room.
FleetAssignment greedy(const FleetRequest& request);

}  // namespace llmsize::fleet_search
