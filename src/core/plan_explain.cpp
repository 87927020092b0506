#include "llmsize/core/plan_explain.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "llmsize/core/text.hpp"

namespace llmsize {
namespace {

/// Below this two qualities are the same choice for a reader.
constexpr double same_quality = 1e-9;

Bytes memory_for(const PlanVariant& variant, std::size_t roles) {
  return roles >= 1 && roles <= variant.memory_by_roles.size() ? variant.memory_by_roles[roles - 1]
                                                               : Bytes(Bytes::highest);
}

/// What a group's instances need in each of its memories if `left` serves one role less and `candidate`
/// serves that one instead.
Bytes need_with(const PlanRequest& request, const Plan& plan, std::size_t left, std::size_t candidate,
                PlanTier tier) {
  const PlanVariant& chosen = request.variants[candidate];
  const std::size_t group = plan.instances[left].group;
  Bytes hot, peak;
  std::set<std::string> mapped;
  const auto add = [&](PlanTier as, const PlanVariant& variant, Bytes memory) {
    if (as != PlanTier::hot) {
      peak = std::max(peak, memory);
      return;
    }
    hot += memory;
    // Pages of one file exist once, however many servers map it.
    if (!variant.shared_file.empty() && !mapped.insert(variant.shared_file).second)
      hot -= variant.shared_bytes;
  };
  for (std::size_t i = 0; i < plan.instances.size(); ++i) {
    const PlanInstance& instance = plan.instances[i];
    const PlanVariant& variant = request.variants[instance.variant];
    if (instance.group != group) continue;
    if (i != left)
      add(instance.tier, variant, instance.in_group);
    else if (instance.roles.size() > 1)
      add(instance.tier, variant,
          instance.tier == PlanTier::hot ? memory_for(variant, instance.roles.size() - 1)
                                         : instance.in_group);
  }
  add(tier, chosen, memory_for(chosen, 1));
  // Other groups' host parts stay what they are.
  for (std::size_t i = 1; group == 0 && i < plan.pools.size(); ++i)
    hot += plan.pools[i].host_hot + plan.pools[i].host_warm;
  return hot + peak;
}

std::optional<RunnerUp> runner_up(const PlanRequest& request, const Plan& plan, std::size_t role) {
  const RolePlacement& placement = plan.roles[role];
  if (!placement.instance) return std::nullopt;
  std::optional<RunnerUp> nearest;
  for (const PlanOption& option : request.roles[role].options) {
    if (option.quality <= placement.quality + same_quality) continue;
    const PlanVariant& variant = request.variants[option.variant];
    // In the same memories: what another place lacks is another plan.
    const PlanGroup& group = plan.groups[plan.instances[*placement.instance].group];
    if (variant.pool != group.pool || variant.devices != group.devices) continue;
    const Bytes need = need_with(request, plan, *placement.instance, option.variant, placement.tier);
    const Bytes lacked = need - request.pools[variant.pool].budget();
    if (lacked <= Bytes(0) || need.is_saturated()) continue;
    const bool better = !nearest || lacked < nearest->lacked ||
                        (lacked == nearest->lacked && option.quality > nearest->quality);
    if (better) nearest = RunnerUp{option.variant, option.quality, lacked};
  }
  return nearest;
}

/// Tokens of context that `spare` is enough for beside what the variant has: whole multiples of that, and no
/// more than the model was trained for.
std::int64_t spare_context(const PlanVariant& variant, Bytes spare) {
  if (variant.kv_per_role <= Bytes(0)) return 0;
  const std::int64_t tokens = spare.value() / variant.kv_per_role.value() * variant.context_tokens;
  if (variant.trained_context <= 0) return tokens;
  return std::clamp<std::int64_t>(variant.trained_context - variant.context_tokens, 0, tokens);
}

const PlanInstance* instance_of(const Plan& plan, const std::string& role) {
  for (const auto& placement : plan.roles)
    if (placement.role == role && placement.instance) return &plan.instances[*placement.instance];
  return nullptr;
}

std::string difference(const GuideRecommendation& guide, const PlanRequest& request,
                       const PlanInstance* instance) {
  if (instance == nullptr) return "not placed here";
  const PlanVariant& variant = request.variants[instance->variant];
  const std::string here =
      fmt::format("{} {}, {}", variant.model, variant.quant, size_text(instance->memory));
  const auto model = std::find(guide.models.begin(), guide.models.end(), variant.model);
  if (model == guide.models.end()) return "here another model: " + here;
  const auto at = static_cast<std::size_t>(model - guide.models.begin());
  const bool same = at < guide.quants.size() && guide.quants[at] == variant.quant;
  return (same ? "here the same: " : "here at another quant: ") + here;
}

}  // namespace

std::vector<std::optional<RunnerUp>> runner_ups(const PlanRequest& request, const Plan& plan) {
  std::vector<std::optional<RunnerUp>> list;
  for (std::size_t role = 0; role < plan.roles.size(); ++role) list.push_back(runner_up(request, plan, role));
  return list;
}

std::vector<std::string> spare_uses(const PlanRequest& request, const Plan& plan) {
  std::vector<std::string> uses;
  for (const auto& instance : plan.instances) {
    const PlanVariant& variant = request.variants[instance.variant];
    const Bytes spare = plan.pools[instance.group].headroom;
    const Bytes one = memory_for(variant, 1);
    const bool workers =
        std::find(instance.roles.begin(), instance.roles.end(), "workers") != instance.roles.end();
    if (workers && one > Bytes(0) && spare >= one)
      uses.push_back(fmt::format("{} more instances of the workers' model, {} each",
                                 spare.value() / one.value(), size_text(one)));
    if (const std::int64_t tokens = spare_context(variant, spare);
        instance.tier == PlanTier::hot && tokens > 0)
      uses.push_back(fmt::format("{} tokens more context for {}, {} per {} tokens", grouped(tokens),
                                 instance.id, size_text(variant.kv_per_role),
                                 grouped(variant.context_tokens)));
    if (instance.tier != PlanTier::hot)
      uses.push_back(fmt::format("{} more would keep {} loaded instead of WARM",
                                 size_text(std::max(Bytes(0), instance.in_group - spare)), instance.id));
  }
  return uses;
}

std::vector<std::string> dropped_roles(const Plan& plan) {
  std::vector<std::string> roles;
  for (auto role = plan.roles.rbegin(); role != plan.roles.rend(); ++role)
    if (!role->instance && role->status != RoleStatus::cloud) roles.push_back(role->role);
  return roles;
}

std::vector<std::string> compare_with_guide(const PlanRequest& request, const Plan& plan,
                                            const std::vector<GuideRecommendation>& recommendations) {
  std::vector<std::string> lines;
  for (const auto& guide : recommendations) {
    const PlanInstance* instance = guide.role == "All roles"
                                       ? (plan.instances.empty() ? nullptr : plan.instances.data())
                                       : instance_of(plan, guide.role);
    lines.push_back(
        fmt::format("{:<18} {}; {}", guide.role, guide.printed, difference(guide, request, instance)));
  }
  return lines;
}

}  // namespace llmsize
