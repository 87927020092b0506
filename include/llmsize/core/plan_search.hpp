#pragma once
#include <cstdint>
#include <map>
#include <memory>
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
  std::int64_t value = 0;  ///< Weighted worth in billionths.
};

struct Role {
  bool may_be_warm = false;
  std::vector<Option> options;
};

/// `count` identical memories of `budget` bytes each; pool 0 is the host's, of which there is one. Instances
/// elsewhere may take part of the host's memory, too.
struct Pool {
  std::int64_t budget = 0;  ///< Negative ones hold nothing.
  std::int64_t count = 1;
};

/// Roles by falling priority, with only the options worth considering.
struct Problem {
  std::vector<Role> roles;
  const std::vector<PlanVariant>* variants = nullptr;
  std::vector<Pool> pools;
};

/// Memories of one pool that work as one: a GPU, several that layers are split over, or the host.
struct Group {
  std::size_t pool = 0;
  std::int64_t devices = 1;
};

/// Where one role went.
struct Assignment {
  std::size_t role = 0;
  std::size_t variant = 0;
  bool warm = false;
  std::size_t group = 0;  ///< Into Solution::groups.
};

struct Solution {
  std::int64_t value = 0;
  std::int64_t memory = 0;
  std::vector<Group> groups;
  std::vector<Assignment> assignments;  ///< By role.
};

/// Drops options that another one beats in memory and worth for every role it could serve.
void prune_dominated(Problem& problem);

/// The least host memory with which some placement serves every role of `roles`, whatever pool 0's budget;
/// nothing where the other pools are too small.
std::optional<std::int64_t> least_host_memory(const Problem& problem, RoleSet roles);

/// The roles that can be served when each is admitted in order of priority, if it fits beside those before.
RoleSet served_by_priority(const Problem& problem);

/// The placement of exactly `roles` with the highest value, and of those the least memory; nothing where it
/// does not fit.
std::optional<Solution> best_placement(const Problem& problem, RoleSet roles);

/// A placement with what it takes of pool 0.
struct BetterPlacement {
  Solution solution;
  std::int64_t host = 0;
};

/// Every placement of exactly `roles` that is worth having, by one search: answers for each budget of pool 0
/// up to the problem's, which it keeps a reference to. Other pools keep theirs.
class PlacementFront {
 public:
  PlacementFront(const Problem& problem, RoleSet roles);
  ~PlacementFront();
  PlacementFront(const PlacementFront&) = delete;
  PlacementFront& operator=(const PlacementFront&) = delete;

  [[nodiscard]] RoleSet roles() const { return roles_; }
  /// best_placement with `host` bytes of pool 0.
  [[nodiscard]] std::optional<Solution> best_within(std::int64_t host) const;
  /// The one that exceeds `value` with the least host memory; nothing where none within the budget does.
  [[nodiscard]] std::optional<BetterPlacement> next_above(std::int64_t value) const;

 private:
  struct Search;
  RoleSet roles_;
  std::unique_ptr<Search> search_;
};

/// The same as best_placement for every set of the problem's roles that fits, by one search.
std::map<RoleSet, Solution> best_placements(const Problem& problem);

}  // namespace llmsize::plan_search
