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

LadderStep ladder_step(const PlanRequest& request, const Plan& full, double share) {
  const Compiled compiled = compile(request, share);
  const Plan reduced = assemble(request, compiled);
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
std::optional<NextStep> next_step(const PlanRequest& request, const Plan& plan) {
  const Compiled compiled = compile(request, 1.0);
  search::RoleSet served = 0;
  std::optional<std::size_t> wanted;
  for (std::size_t i = 0; i < compiled.source.size(); ++i)
    if (plan.roles[compiled.source[i]].instance)
      served |= search::RoleSet(1) << i;
    else if (!wanted)
      wanted = i;
  if (!wanted) return std::nullopt;
  const auto least = search::least_host_memory(compiled.problem, served | (search::RoleSet(1) << *wanted));
  if (!least) return std::nullopt;
  return NextStep{request.roles[compiled.source[*wanted]].id,
                  Bytes(*least) - Bytes(compiled.problem.pools.front().budget)};
}

}  // namespace

void add_ladder(const PlanRequest& request, Plan& plan) {
  constexpr double shares[] = {0.9, 0.75, 0.5};  // docs/METHOD.md, "The plan": what goes first.
  for (const double share : shares) plan.ladder.push_back(ladder_step(request, plan, share));
  plan.next_step = next_step(request, plan);
}

}  // namespace llmsize
