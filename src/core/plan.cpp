#include "llmsize/core/plan.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "llmsize/core/plan_search.hpp"
#include "llmsize/core/text.hpp"

namespace llmsize {
namespace {

namespace search = plan_search;

/// Qualities are summed in these units, so that sums are exact.
constexpr double value_units = 1e9;

/// The request as the search sees it; `source[i]` is the request's role behind the search's role i.
struct Compiled {
  search::Problem problem;
  std::vector<std::size_t> source;
};

Result<void> check(const PlanRequest& request) {
  if (request.roles.size() > most_plan_roles)
    return fail(ErrorCode::usage,
                "the plan has " + std::to_string(request.roles.size()) + " roles, and at most " +
                    std::to_string(most_plan_roles) + " can be planned at once",
                "Split the roles into several plans.");
  for (const auto& variant : request.variants)
    if (variant.pool >= request.pools.size())
      return fail(ErrorCode::internal, "variant " + variant.id + " names a pool that does not exist");
  for (const auto& role : request.roles)
    for (const auto& option : role.options)
      if (option.variant >= request.variants.size() || !std::isfinite(option.quality * role.weight) ||
          option.quality < 0 || role.weight < 0 || option.quality * role.weight > value_units)
        return fail(ErrorCode::internal, "role " + role.id + " has an option without a usable variant");
  return {};
}

Compiled compile(const PlanRequest& request, double share) {
  Compiled compiled;
  compiled.problem.variants = &request.variants;
  for (const auto& pool : request.pools)
    compiled.problem.budgets.push_back(
        static_cast<std::int64_t>(std::floor(static_cast<double>(pool.budget().value()) * share)));
  for (std::size_t i = 0; i < request.roles.size(); ++i) {
    const PlanRole& role = request.roles[i];
    if (role.cloud || role.options.empty()) continue;
    search::Role compiled_role;
    compiled_role.may_be_warm = role.preference != PlanTier::hot;
    for (const auto& option : role.options)
      compiled_role.options.push_back(
          {option.variant, std::llround(option.quality * role.weight * value_units)});
    std::stable_sort(compiled_role.options.begin(), compiled_role.options.end(),
                     [&](const search::Option& a, const search::Option& b) {
                       return request.variants[a.variant].id < request.variants[b.variant].id;
                     });
    compiled.problem.roles.push_back(std::move(compiled_role));
    compiled.source.push_back(i);
  }
  search::prune_dominated(compiled.problem);
  return compiled;
}

double quality_of(const PlanRole& role, std::size_t variant) {
  for (const auto& option : role.options)
    if (option.variant == variant) return option.quality;
  return 0;
}

Bytes smallest_memory(const PlanRequest& request, const PlanRole& role) {
  Bytes least(Bytes::highest);
  for (const auto& option : role.options)
    if (const auto& memory = request.variants[option.variant].memory_by_roles; !memory.empty())
      least = std::min(least, memory.front());
  return least;
}

/// Instances from assignments: one per variant and tier, in order of their first role.
void add_instances(const PlanRequest& request, const Compiled& compiled, const search::Solution& solution,
                   Plan& plan) {
  std::map<std::pair<std::size_t, bool>, std::size_t> instance_of;
  for (const auto& assignment : solution.assignments) {
    const std::size_t role_index = compiled.source[assignment.role];
    const PlanRole& role = request.roles[role_index];
    auto [found, fresh] =
        instance_of.try_emplace({assignment.variant, assignment.warm}, plan.instances.size());
    const std::size_t most_roles = request.variants[assignment.variant].memory_by_roles.size();
    if (!fresh && !assignment.warm && plan.instances[found->second].roles.size() >= most_roles) {
      found->second = plan.instances.size();
      fresh = true;
    }
    if (fresh) {
      PlanInstance instance;
      instance.id = role.id;
      instance.variant = assignment.variant;
      instance.tier = assignment.warm ? PlanTier::warm : PlanTier::hot;
      plan.instances.push_back(std::move(instance));
    }
    PlanInstance& instance = plan.instances[found->second];
    instance.roles.push_back(role.id);
    RolePlacement& placement = plan.roles[role_index];
    placement.status = fresh ? RoleStatus::placed : RoleStatus::shared;
    placement.tier = instance.tier;
    placement.instance = found->second;
    placement.quality = quality_of(role, assignment.variant);
  }
}

Bytes instance_memory(const PlanRequest& request, const PlanInstance& instance, PlanTier tier) {
  const auto& memory = request.variants[instance.variant].memory_by_roles;
  // Roles of a WARM group take turns, so that one role's context is all there is at any time.
  const std::size_t roles = tier == PlanTier::hot ? instance.roles.size() : 1;
  return roles <= memory.size() ? memory[roles - 1] : Bytes(Bytes::highest);
}

void account(const PlanRequest& request, const search::Problem& problem, Plan& plan) {
  plan.pools.assign(request.pools.size(), {});
  for (auto& instance : plan.instances) {
    instance.memory = instance_memory(request, instance, instance.tier);
    PoolUse& use = plan.pools[request.variants[instance.variant].pool];
    if (instance.tier == PlanTier::hot)
      use.hot += instance.memory;
    else
      use.warm_peak = std::max(use.warm_peak, instance.memory);
  }
  for (std::size_t pool = 0; pool < plan.pools.size(); ++pool)
    plan.pools[pool].headroom =
        Bytes(problem.budgets[pool]) - plan.pools[pool].hot - plan.pools[pool].warm_peak;
}

/// WARM instances become HOT, in order of their roles' priority, where the memory left over allows it.
void promote(const PlanRequest& request, const search::Problem& problem, Plan& plan) {
  for (auto& instance : plan.instances) {
    if (instance.tier != PlanTier::warm) continue;
    instance.tier = PlanTier::hot;
    account(request, problem, plan);
    const PoolUse& use = plan.pools[request.variants[instance.variant].pool];
    if (instance.memory.is_saturated() || use.headroom < Bytes(0)) instance.tier = PlanTier::warm;
  }
  account(request, problem, plan);
  for (auto& role : plan.roles)
    if (role.instance) role.tier = plan.instances[*role.instance].tier;
}

void explain(const PlanRequest& request, Plan& plan) {
  for (std::size_t i = 0; i < request.roles.size(); ++i) {
    const PlanRole& role = request.roles[i];
    RolePlacement& placement = plan.roles[i];
    if (role.cloud) {
      placement.reason = "served by an API: no local memory";
    } else if (role.options.empty()) {
      placement.reason =
          role.unavailable_because.empty() ? "no model meets its needs" : role.unavailable_because;
    } else if (placement.instance) {
      placement.reason = placement.status == RoleStatus::shared
                             ? "shares the instance of " + plan.instances[*placement.instance].id
                             : std::string("best quality for its weight within the budget");
    } else {
      Bytes left;
      for (const auto& pool : plan.pools) left = std::max(left, pool.headroom);
      placement.reason = "its smallest model needs " + size_text(smallest_memory(request, role)) + ", and " +
                         size_text(left) + " is left after the roles before it";
    }
  }
}

Plan assemble(const PlanRequest& request, const Compiled& compiled) {
  Plan plan;
  for (const auto& role : request.roles) {
    RolePlacement placement;
    placement.role = role.id;
    placement.priority = role.priority;
    placement.required = role.required;
    placement.status = role.cloud ? RoleStatus::cloud : RoleStatus::dropped;
    plan.roles.push_back(std::move(placement));
  }
  const auto served = search::served_by_priority(compiled.problem);
  if (const auto solution = search::best_placement(compiled.problem, served)) {
    add_instances(request, compiled, *solution, plan);
    plan.objective.value = static_cast<double>(solution->value) / value_units;
    // The search visits every placement that could be better, so that the bound is the value itself.
    plan.objective.bound = plan.objective.value;
  }
  promote(request, compiled.problem, plan);
  explain(request, plan);
  return plan;
}

std::string variant_name(const PlanRequest& request, const Plan& plan, std::size_t instance) {
  const PlanVariant& variant = request.variants[plan.instances[instance].variant];
  return variant.model + " " + variant.quant;
}

LadderStep ladder_step(const PlanRequest& request, const Plan& full, double share) {
  const Compiled compiled = compile(request, share);
  const Plan reduced = assemble(request, compiled);
  LadderStep step;
  step.share = share;
  for (const std::int64_t budget : compiled.problem.budgets) step.budget += Bytes(budget);
  for (std::size_t i = 0; i < full.roles.size(); ++i) {
    const auto &before = full.roles[i], &after = reduced.roles[i];
    if (after.instance) step.served.push_back(after.role);
    if (before.instance && !after.instance) step.dropped.push_back(before.role);
    // What a dropped role frees may make others better: that is no degradation.
    const bool worse =
        before.instance && after.instance &&
        (after.quality < before.quality || (before.tier == PlanTier::hot && after.tier != PlanTier::hot));
    if (!worse) continue;
    const std::string was = variant_name(request, full, *before.instance),
                      is = variant_name(request, reduced, *after.instance);
    const std::string demoted = before.tier == PlanTier::hot && after.tier != PlanTier::hot ? " WARM" : "";
    step.changed.push_back(before.role + ": " + was + " -> " + is + demoted);
  }
  return step;
}

/// Searches for the least growth of the largest pool that serves one role more.
std::optional<NextStep> next_step(const PlanRequest& request, const Plan& plan) {
  Compiled compiled = compile(request, 1.0);
  search::RoleSet served = 0;
  std::optional<std::size_t> wanted;
  for (std::size_t i = 0; i < compiled.source.size(); ++i) {
    if (plan.roles[compiled.source[i]].instance)
      served |= search::RoleSet(1) << i;
    else if (!wanted)
      wanted = i;
  }
  if (!wanted || compiled.problem.budgets.empty()) return std::nullopt;
  const search::RoleSet target = served | (search::RoleSet(1) << *wanted);
  const std::size_t role = compiled.source[*wanted];
  auto& budget = *std::max_element(compiled.problem.budgets.begin(), compiled.problem.budgets.end());
  const std::int64_t present = budget;
  const std::int64_t step = mebibytes(1).value();
  const std::int64_t most = gibibytes(64 * 1024).value() / step;  // 64 TiB: more than any machine.
  const auto enough = [&](std::int64_t steps) {
    budget = present + steps * step;
    return search::can_serve(compiled.problem, target);
  };
  if (!enough(most)) return std::nullopt;
  std::int64_t low = 0, high = most;
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (enough(middle) ? high : low) = middle;
  }
  return NextStep{request.roles[role].id, Bytes(high * step)};
}

}  // namespace

const char* plan_tier_name(PlanTier tier) {
  constexpr const char* names[] = {"HOT", "WARM", "COLD"};
  return names[static_cast<int>(tier)];
}

const char* role_status_name(RoleStatus status) {
  constexpr const char* names[] = {"placed", "shared", "cloud", "mock", "dropped"};
  return names[static_cast<int>(status)];
}

Result<Plan> solve(const PlanRequest& request) {
  if (auto checked = check(request); !checked) return tl::unexpected(checked.error());
  return assemble(request, compile(request, 1.0));
}

Result<Plan> solve_with_ladder(const PlanRequest& request) {
  auto plan = solve(request);
  if (!plan) return plan;
  constexpr double shares[] = {0.9, 0.75, 0.5};  // docs/METHOD.md, "The plan": what goes first.
  for (const double share : shares) plan->ladder.push_back(ladder_step(request, *plan, share));
  plan->next_step = next_step(request, *plan);
  return plan;
}

}  // namespace llmsize
