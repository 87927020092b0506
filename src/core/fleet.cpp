#include "llmsize/core/fleet.hpp"

#include <algorithm>

#include "fleet_search.hpp"
#include "llmsize/core/plan_search.hpp"
#include "plan_compile.hpp"

namespace llmsize {
namespace {

namespace search = plan_search;

/// A draft model drafts for the model on its own host, so without that one it serves nobody.
bool drafts_for_nobody(const PlanRequest& request, FleetRoles roles) {
  for (std::size_t draft = 0; draft < request.roles.size(); ++draft) {
    if ((roles & role_bit(draft)) == 0 || request.roles[draft].draft_for.empty()) continue;
    for (std::size_t target = 0; target < request.roles.size(); ++target)
      if (request.roles[target].id == request.roles[draft].draft_for && (roles & role_bit(target)) == 0)
        return true;
  }
  return false;
}

}  // namespace

Result<std::vector<RoleChoice>> role_choices(const PlanRequest& request) {
  if (auto checked = check_plan_request(request); !checked) return tl::unexpected(checked.error());
  const Compiled compiled = compile(request, 1.0);
  std::vector<RoleChoice> choices;
  for (const auto& [set, solution] : search::best_placements(compiled.problem)) {
    RoleChoice choice;
    choice.worth = solution.value;
    for (const auto& assignment : solution.assignments) {
      const std::size_t role = compiled.source[assignment.role];
      choice.roles |= role_bit(role);
      choice.variants.emplace_back(role, assignment.variant);
    }
    if (drafts_for_nobody(request, choice.roles)) continue;
    for (const auto& role : assemble(request, compiled, solution).roles)
      if (role.instance && role.tier == PlanTier::warm) ++choice.warm;
    choices.push_back(std::move(choice));
  }
  std::sort(choices.begin(), choices.end(),
            [](const RoleChoice& a, const RoleChoice& b) { return a.roles < b.roles; });
  return choices;
}

std::optional<Bytes> lacking_memory(const PlanRequest& request, FleetRoles roles) {
  const Compiled compiled = compile(request, 1.0);
  search::RoleSet wanted = 0;
  FleetRoles found = 0;
  for (std::size_t i = 0; i < compiled.source.size(); ++i) {
    const FleetRoles role = role_bit(compiled.source[i]);
    if ((roles & role) == 0) continue;
    wanted |= search::RoleSet(1) << i;
    found |= role;
  }
  if (found != roles || compiled.problem.pools.empty()) return std::nullopt;
  const auto least = search::least_host_memory(compiled.problem, wanted);
  if (!least) return std::nullopt;
  return std::max(Bytes(0), Bytes(*least) - Bytes(compiled.problem.pools.front().budget));
}

const FleetPattern* FleetClass::pattern(FleetRoles roles) const {
  const auto found =
      std::lower_bound(patterns.begin(), patterns.end(), roles,
                       [](const FleetPattern& pattern, FleetRoles wanted) { return pattern.roles < wanted; });
  return found != patterns.end() && found->roles == roles ? &*found : nullptr;
}

FleetAssignment assign_roles(const FleetRequest& request) {
  if (auto best = fleet_search::exact(request)) return std::move(*best);
  return fleet_search::greedy(request);
}

}  // namespace llmsize
