#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "llmsize/core/plan.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

// Which hosts of a fleet serve which roles (docs/METHOD.md, "A fleet").

/// A set of roles: bit i is role i of the request, the most important first.
using FleetRoles = std::uint32_t;
/// The set of one role.
constexpr FleetRoles role_bit(std::size_t role) {
  return FleetRoles(1) << role;
}

/// One host's best plan for exactly these roles.
struct RoleChoice {
  FleetRoles roles = 0;
  std::int64_t worth = 0;  ///< As the plan's objective counts it, in billionths.
  std::int64_t warm = 0;   ///< Roles that take turns, because they do not fit beside each other.
  std::vector<std::pair<std::size_t, std::size_t>> variants;  ///< (role, variant) of the request.
};

/// The best choice of every set of roles that one host can serve together; draft roles come only with the
/// role they draft for. Errors: as `solve`.
Result<std::vector<RoleChoice>> role_choices(const PlanRequest& request);

/// The least more memory with which one host would serve exactly `roles`; nothing where no memory would do.
std::optional<Bytes> lacking_memory(const PlanRequest& request, FleetRoles roles);

/// A set of roles on a host of some class, and what it is worth in whole units.
struct FleetPattern {
  FleetRoles roles = 0;
  std::int64_t value = 0;
  std::int64_t warm = 0;              ///< Roles that take turns there.
  std::vector<std::int64_t> by_role;  ///< Of each role of the fleet its part of `value`, or 0.
};

struct FleetClass {
  std::int64_t hosts = 0;
  std::vector<FleetPattern> patterns;  ///< By rising `roles`; without the empty set.
  /// The pattern of exactly these roles; null where a host cannot serve them together.
  [[nodiscard]] const FleetPattern* pattern(FleetRoles roles) const;
};

struct FleetRequest {
  std::vector<std::int64_t> replicas;  ///< Wanted, by role.
  std::vector<FleetClass> classes;
};

struct FleetAssignment {
  std::vector<std::map<FleetRoles, std::int64_t>> hosts;  ///< Of each class, how many serve which set.
  std::vector<std::int64_t> served;                       ///< Replicas, by role.
  std::int64_t value = 0;
  std::int64_t bound = 0;  ///< No assignment with these replicas is worth more.
  bool exact = false;      ///< Nothing better exists, in replicas, value, turns and hosts.
};

/// Replicas on distinct hosts. First as many as wanted of the first role, then of the next, and so on; then
/// the highest value; then the fewest that take turns; then the fewest hosts; then evenly over classes. Exact
/// while the states to visit stay below `most_fleet_work`, and greedy with one exchange beyond.
FleetAssignment assign_roles(const FleetRequest& request);

/// Steps of the exact search that take about a tenth of a second.
inline constexpr double most_fleet_work = 2e7;

}  // namespace llmsize
