#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "llmsize/core/plan.hpp"

namespace llmsize::plan_search {

// The exact search behind `solve` (docs/METHOD.md, "The plan"). Qualities are summed as whole billionths, so
// that sums do not depend on their order.

/// A set of roles: bit i is role i of `Problem::roles`.
using RoleSet = std::uint32_t;

struct Option {
  std::size_t variant = 0;
  std::int64_t value = 0;  ///< Weighted quality in billionths.
};

struct Role {
  bool may_be_warm = false;
  std::vector<Option> options;
};

/// Roles by falling priority, with only the options worth considering.
struct Problem {
  std::vector<Role> roles;
  const std::vector<PlanVariant>* variants = nullptr;
  std::vector<std::int64_t> budgets;  ///< Bytes per pool; negative ones hold nothing.
};

/// Where one role went.
struct Assignment {
  std::size_t role = 0;
  std::size_t variant = 0;
  bool warm = false;
};

struct Solution {
  RoleSet served = 0;
  std::int64_t value = 0;
  std::vector<Assignment> assignments;
};

/// Drops options that another one beats in memory and quality for every role it could serve.
void prune_dominated(Problem& problem);

/// Whether some placement serves every role of `roles`.
bool can_serve(const Problem& problem, RoleSet roles);

/// The roles that can be served when each is admitted in order of priority, if it fits beside those before.
RoleSet served_by_priority(const Problem& problem);

/// The placement of exactly `roles` with the highest value, and of those the least memory; nothing where it
/// does not fit.
std::optional<Solution> best_placement(const Problem& problem, RoleSet roles);

}  // namespace llmsize::plan_search
