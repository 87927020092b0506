#include "llmsize/core/plan.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "llmsize/core/plan_search.hpp"
#include "llmsize/core/text.hpp"
#include "plan_compile.hpp"

namespace llmsize {
namespace {

namespace search = plan_search;

const PlanOption* option_of(const PlanRole& role, std::size_t variant) {
  for (const auto& option : role.options)
    if (option.variant == variant) return &option;
  return nullptr;
}

/// Names a group by its devices: "ram", "gpu0", "gpu2+gpu3".
PlanGroup named_group(const PlanPool& pool, std::size_t index, std::int64_t first, std::int64_t devices) {
  PlanGroup group;
  group.pool = index;
  group.first_device = first;
  group.devices = devices;
  if (pool.count == 1) {
    group.id = pool.id;
    return group;
  }
  for (std::int64_t i = 0; i < devices; ++i)
    group.id += (i == 0 ? "" : "+") + pool.id + std::to_string(pool.first_device + first + i);
  return group;
}

/// The host first, then each pool's groups in the order of their devices, then what is unused.
/// `group_of[i]` receives where the solution's group i went.
void add_groups(const PlanRequest& request, const search::Solution& solution,
                std::vector<std::size_t>& group_of, Plan& plan) {
  group_of.assign(solution.groups.size(), 0);
  for (std::size_t pool = 0; pool < request.pools.size(); ++pool) {
    std::int64_t next = 0;
    for (std::size_t i = 0; i < solution.groups.size(); ++i) {
      const auto& group = solution.groups[i];
      if (group.pool != pool) continue;
      group_of[i] = plan.groups.size();
      plan.groups.push_back(named_group(request.pools[pool], pool, next, group.devices));
      next += group.devices;
    }
    for (; next < request.pools[pool].count; ++next)
      plan.groups.push_back(named_group(request.pools[pool], pool, next, 1));
  }
}

/// Instances from assignments: one per variant, tier and group, in order of their first role.
void add_instances(const PlanRequest& request, const Compiled& compiled, const search::Solution& solution,
                   const std::vector<std::size_t>& group_of, Plan& plan) {
  std::map<std::tuple<std::size_t, bool, std::size_t>, std::size_t> instance_of;
  for (const auto& assignment : solution.assignments) {
    const std::size_t role_index = compiled.source[assignment.role];
    const PlanRole& role = request.roles[role_index];
    auto [found, fresh] = instance_of.try_emplace({assignment.variant, assignment.warm, assignment.group},
                                                  plan.instances.size());
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
      instance.group = group_of[assignment.group];
      plan.instances.push_back(std::move(instance));
    }
    PlanInstance& instance = plan.instances[found->second];
    instance.roles.push_back(role.id);
    RolePlacement& placement = plan.roles[role_index];
    placement.status = fresh ? RoleStatus::placed : RoleStatus::shared;
    placement.tier = instance.tier;
    placement.instance = found->second;
    placement.quality = option_of(role, assignment.variant)->quality;
  }
}

Bytes at_count(const std::vector<Bytes>& by_roles, std::size_t roles) {
  return roles >= 1 && roles <= by_roles.size() ? by_roles[roles - 1] : Bytes(Bytes::highest);
}

/// Fills an instance's bytes: in each memory of its group, and on the host.
void size_instance(const PlanRequest& request, PlanInstance& instance) {
  const PlanVariant& variant = request.variants[instance.variant];
  // Roles of a WARM group take turns, so that one role's context is all there is at any time.
  const std::size_t roles = instance.tier == PlanTier::hot ? instance.roles.size() : 1;
  instance.in_group = at_count(variant.memory_by_roles, roles);
  instance.on_host = variant.host_by_roles.empty() ? Bytes(0) : at_count(variant.host_by_roles, roles);
  instance.memory = instance.in_group * variant.devices + instance.on_host;
}

void account(const PlanRequest& request, const std::vector<search::Pool>& budgets, Plan& plan) {
  plan.pools.assign(plan.groups.size(), {});
  std::map<std::pair<std::size_t, std::string>, bool> mapped;
  for (auto& instance : plan.instances) {
    size_instance(request, instance);
    PoolUse& use = plan.pools[instance.group];
    const PlanVariant& variant = request.variants[instance.variant];
    if (instance.tier != PlanTier::hot) {
      use.warm_peak = std::max(use.warm_peak, instance.in_group);
      use.host_warm = std::max(use.host_warm, instance.on_host);
      continue;
    }
    use.hot += instance.in_group;
    use.host_hot += instance.on_host;
    // Pages of one file exist once in a pool, however many servers map it.
    if (variant.shared_file.empty()) continue;
    bool& seen = mapped[{instance.group, variant.shared_file}];
    if (seen) use.shared += variant.shared_bytes;
    seen = true;
  }
  for (std::size_t i = 1; i < plan.pools.size(); ++i) {
    plan.pools[0].hot += plan.pools[i].host_hot;
    plan.pools[0].warm_peak += plan.pools[i].host_warm;
  }
  for (std::size_t i = 0; i < plan.pools.size(); ++i) {
    PoolUse& use = plan.pools[i];
    use.hot -= use.shared;
    use.headroom = Bytes(budgets[plan.groups[i].pool].budget) - use.hot - use.warm_peak;
  }
}

/// WARM instances become HOT, in order of their roles' priority, where the memory left over allows it.
void promote(const PlanRequest& request, const search::Problem& problem, Plan& plan) {
  const auto fits = [&] {
    return std::all_of(plan.pools.begin(), plan.pools.end(), [](const PoolUse& use) {
      return use.headroom >= Bytes(0) && !use.headroom.is_saturated();
    });
  };
  for (auto& instance : plan.instances) {
    if (instance.tier != PlanTier::warm) continue;
    instance.tier = PlanTier::hot;
    account(request, problem.pools, plan);
    if (instance.memory.is_saturated() || !fits()) instance.tier = PlanTier::warm;
  }
  account(request, problem.pools, plan);
  for (auto& role : plan.roles)
    if (role.instance) role.tier = plan.instances[*role.instance].tier;
}

Bytes smallest_memory(const PlanRequest& request, const PlanRole& role) {
  Bytes least(Bytes::highest);
  for (const auto& option : role.options)
    if (const auto& memory = request.variants[option.variant].memory_by_roles; !memory.empty())
      least = std::min(least, memory.front());
  return least;
}

void give_reasons(const PlanRequest& request, Plan& plan) {
  Bytes left;
  for (const auto& pool : plan.pools) left = std::max(left, pool.headroom);
  for (std::size_t i = 0; i < request.roles.size(); ++i) {
    const PlanRole& role = request.roles[i];
    RolePlacement& placement = plan.roles[i];
    if (role.cloud)
      placement.reason = "served by an API: no local memory";
    else if (role.options.empty())
      placement.reason =
          role.unavailable_because.empty() ? "no model meets its needs" : role.unavailable_because;
    else if (!placement.instance)
      placement.reason = "its smallest model needs " + size_text(smallest_memory(request, role)) + ", and " +
                         size_text(left) + " is left after the roles before it";
    else
      placement.reason = placement.status == RoleStatus::shared
                             ? "shares the instance of " + plan.instances[*placement.instance].id
                             : std::string("best quality for its weight within the budget");
  }
}

}  // namespace

Result<void> check_plan_request(const PlanRequest& request) {
  if (request.roles.size() > most_plan_roles)
    return fail(ErrorCode::usage,
                "the plan has " + std::to_string(request.roles.size()) + " roles, and at most " +
                    std::to_string(most_plan_roles) + " can be planned at once",
                "Split the roles into several plans.");
  if (request.pools.empty() && !request.variants.empty())
    return fail(ErrorCode::internal, "the plan has no pool for the host's memory");
  for (const auto& variant : request.variants)
    if (variant.pool >= request.pools.size() || variant.devices < 1 ||
        variant.devices > request.pools[variant.pool].count)
      return fail(ErrorCode::internal, "variant " + variant.id + " names a pool that does not exist");
  for (const auto& role : request.roles)
    for (const auto& option : role.options) {
      const double worth = option.worth.value_or(option.quality) * role.weight;
      if (option.variant >= request.variants.size() || !std::isfinite(worth) || worth < 0 ||
          worth > worth_units)
        return fail(ErrorCode::internal, "role " + role.id + " has an option without a usable variant");
    }
  return {};
}

std::int64_t worth_of(const PlanRole& role, const PlanOption& option) {
  return std::llround(option.worth.value_or(option.quality) * role.weight * worth_units);
}

Compiled compile(const PlanRequest& request, double share) {
  Compiled compiled;
  compiled.problem.variants = &request.variants;
  for (std::size_t i = 0; i < request.roles.size(); ++i) {
    const PlanRole& role = request.roles[i];
    if (role.cloud || role.options.empty()) continue;
    search::Role compiled_role;
    compiled_role.may_be_warm = role.preference != PlanTier::hot;
    for (const auto& option : role.options)
      compiled_role.options.push_back({option.variant, worth_of(role, option)});
    std::stable_sort(compiled_role.options.begin(), compiled_role.options.end(),
                     [&](const search::Option& a, const search::Option& b) {
                       return request.variants[a.variant].id < request.variants[b.variant].id;
                     });
    compiled.problem.roles.push_back(std::move(compiled_role));
    compiled.source.push_back(i);
  }
  search::prune_dominated(compiled.problem);
  return with_share(request, std::move(compiled), share);
}

Compiled with_share(const PlanRequest& request, Compiled compiled, double share) {
  compiled.problem.pools.clear();
  for (const auto& pool : request.pools)
    compiled.problem.pools.push_back(
        {static_cast<std::int64_t>(std::floor(static_cast<double>(pool.budget().value()) * share)),
         pool.count});
  return compiled;
}

Plan assemble(const PlanRequest& request, const Compiled& compiled, const search::Solution& solution) {
  Plan plan;
  for (const auto& role : request.roles) {
    RolePlacement placement;
    placement.role = role.id;
    placement.priority = role.priority;
    placement.required = role.required;
    placement.status = role.cloud ? RoleStatus::cloud : RoleStatus::dropped;
    plan.roles.push_back(std::move(placement));
  }
  if (request.pools.empty()) return plan;
  std::vector<std::size_t> group_of;
  add_groups(request, solution, group_of, plan);
  add_instances(request, compiled, solution, group_of, plan);
  plan.objective.value = static_cast<double>(solution.value) / worth_units;
  // The search visits every placement that could be better, so that the bound is the value itself.
  plan.objective.bound = plan.objective.value;
  promote(request, compiled.problem, plan);
  give_reasons(request, plan);
  return plan;
}

const char* plan_tier_name(PlanTier tier) {
  constexpr const char* names[] = {"HOT", "WARM", "COLD"};
  return names[static_cast<int>(tier)];
}

const char* role_status_name(RoleStatus status) {
  constexpr const char* names[] = {"placed", "shared", "cloud", "mock", "dropped"};
  return names[static_cast<int>(status)];
}

bool is_at_least_as_good(const Plan& a, const Plan& b) {
  for (std::size_t i = 0; i < a.roles.size() && i < b.roles.size(); ++i)
    if (a.roles[i].instance.has_value() != b.roles[i].instance.has_value())
      return a.roles[i].instance.has_value();
  return a.objective.value >= b.objective.value;
}

Result<Plan> solve(const PlanRequest& request) {
  if (auto checked = check_plan_request(request); !checked) return tl::unexpected(checked.error());
  if (request.pools.empty()) return assemble(request, {}, {});
  const Compiled compiled = compile(request, 1.0);
  const auto served = search::served_by_priority(compiled.problem);
  const auto solution = search::best_placement(compiled.problem, served);
  return assemble(request, compiled, solution.value_or(search::Solution{}));
}

}  // namespace llmsize
