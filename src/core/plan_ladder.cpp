#include <cmath>
#include <memory>

#include "llmsize/core/plan.hpp"
#include "plan_compile.hpp"

namespace llmsize {
namespace {

namespace search = plan_search;

std::string variant_name(const PlanRequest& request, const Plan& plan, std::size_t instance) {
  const PlanVariant& variant = request.variants[plan.instances[instance].variant];
  return variant.model + " " + variant.quant;
}

/// Whether a role got worse: what a dropped role frees may make others better, which is no degradation.
bool is_worse(const RolePlacement& before, const RolePlacement& after) {
  return after.quality < before.quality || (before.tier == PlanTier::hot && after.tier != PlanTier::hot);
}

search::RoleSet served_roles(const Compiled& compiled, const Plan& plan) {
  search::RoleSet served = 0;
  for (std::size_t i = 0; i < compiled.source.size(); ++i)
    if (plan.roles[compiled.source[i]].instance) served |= search::RoleSet(1) << i;
  return served;
}

/// How much further than the budget the search for something better looks: it takes the longer, the more
/// fits.
constexpr double look_ahead = 1.25;

/// The same roles within several budgets, searched once, when first asked for.
class SameRoles {
 public:
  /// `compiled` has the largest budget of interest and outlives this.
  SameRoles(const Compiled& compiled, const Plan& plan)
      : compiled_(compiled),
        roles_(served_roles(compiled, plan)),
        usable_(compiled.problem.pools.size() == 1 && roles_ != 0) {}

  /// Nothing where other pools shrink, too, or other roles are served.
  const search::PlacementFront* front(search::RoleSet roles) {
    if (!usable_ || roles != roles_) return nullptr;
    if (!front_) front_ = std::make_unique<search::PlacementFront>(compiled_.problem, roles_);
    return front_.get();
  }
  const search::PlacementFront* front() { return front(roles_); }

 private:
  const Compiled& compiled_;
  search::RoleSet roles_;
  bool usable_;
  std::unique_ptr<search::PlacementFront> front_;
};

LadderStep ladder_step(const PlanRequest& request, const Compiled& compiled, const Plan& full, double share,
                       SameRoles& same) {
  const auto served = search::served_by_priority(compiled.problem);
  const auto* front = same.front(served);
  const auto solution = front != nullptr ? front->best_within(compiled.problem.pools.front().budget)
                                         : search::best_placement(compiled.problem, served);
  const Plan reduced = assemble(request, compiled, solution.value_or(search::Solution{}));
  LadderStep step;
  step.share = share;
  for (const auto& pool : compiled.problem.pools) step.budget += Bytes(pool.budget) * pool.count;
  for (std::size_t i = 0; i < full.roles.size(); ++i) {
    const auto &before = full.roles[i], &after = reduced.roles[i];
    if (after.instance) step.served.push_back(after.role);
    if (before.instance && !after.instance) step.dropped.push_back(before.role);
    if (!before.instance || !after.instance || !is_worse(before, after)) continue;
    const bool demoted = before.tier == PlanTier::hot && after.tier != PlanTier::hot;
    step.changed.push_back(before.role + ": " + variant_name(request, full, *before.instance) + " -> " +
                           variant_name(request, reduced, *after.instance) + (demoted ? " WARM" : ""));
  }
  return step;
}

/// The least growth of the host's memory that serves the first role that found no place.
std::optional<NextStep> next_step(const PlanRequest& request, const Compiled& compiled, const Plan& plan) {
  const search::RoleSet served = served_roles(compiled, plan);
  for (std::size_t i = 0; i < compiled.source.size(); ++i) {
    const search::RoleSet one = search::RoleSet(1) << i;
    if ((served & one) != 0) continue;
    const auto least = search::least_host_memory(compiled.problem, served | one);
    if (!least) return std::nullopt;
    return NextStep{request.roles[compiled.source[i]].id,
                    Bytes(*least) - Bytes(compiled.problem.pools.front().budget)};
  }
  return std::nullopt;
}

std::optional<NextGain> next_gain(const PlanRequest& request, const Plan& plan, const Compiled& compiled,
                                  const search::PlacementFront& front) {
  const auto better = front.next_above(std::llround(plan.objective.value * worth_units));
  if (!better) return std::nullopt;
  NextGain gain;
  gain.extra = Bytes(better->host) - request.pools.front().budget();
  for (const auto& assignment : better->solution.assignments) {
    const RolePlacement& placement = plan.roles[compiled.source[assignment.role]];
    const PlanVariant& variant = request.variants[assignment.variant];
    const std::string name = variant.model + " " + variant.quant;
    if (name != variant_name(request, plan, *placement.instance))
      gain.changed.push_back(placement.role + ": " + name);
  }
  return gain;
}

}  // namespace

void add_ladder(const PlanRequest& request, Plan& plan) {
  if (request.pools.empty()) return;
  constexpr double shares[] = {0.9, 0.75, 0.5};  // docs/METHOD.md, "The plan": what goes first.
  const Compiled now = compile(request, 1.0);
  plan.next_step = next_step(request, now, plan);
  const Compiled largest = plan.next_step ? now : with_share(request, now, look_ahead);
  SameRoles same(largest, plan);
  for (const double share : shares)
    plan.ladder.push_back(ladder_step(request, with_share(request, now, share), plan, share, same));
  if (plan.next_step) return;
  if (const auto* front = same.front()) plan.next_gain = next_gain(request, plan, largest, *front);
}

}  // namespace llmsize
