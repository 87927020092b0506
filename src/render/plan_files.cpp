#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/core/text.hpp"
#include "llmsize/render/plan.hpp"

namespace llmsize::render {
namespace {

using Json = nlohmann::ordered_json;

std::vector<std::string> lost_roles(const PlanCheck& check) {
  std::vector<std::string> roles;
  for (const auto& instance : check.instances)
    if (!instance.fits) roles.insert(roles.end(), instance.roles.begin(), instance.roles.end());
  return roles;
}

Json served_json(const std::optional<ServedRole>& role) {
  if (!role) return nullptr;
  if (role->model.empty()) return {{"status", role->status}};
  return {{"status", role->status},     {"model", role->model},
          {"quant", role->quant},       {"tier", role->tier},
          {"pool", role->pool},         {"context_tokens", role->context_tokens},
          {"parallel", role->parallel}, {"memory_bytes", role->memory.value()}};
}

std::string served_text(const std::optional<ServedRole>& role) {
  if (!role) return "no such role";
  if (role->model.empty()) return role->status;
  return fmt::format("{} {} {} in {}, {} tokens, {} slots, {}", role->model, role->quant, role->tier,
                     role->pool, grouped(role->context_tokens), role->parallel, size_text(role->memory));
}

}  // namespace

std::string plan_check_json(const PlanCheck& check) {
  Json document = {{"schema", "llmsize.plan_check/1"},
                   {"file", check.file},
                   {"host", check.host},
                   {"fits", check.fits()},
                   {"lost_roles", lost_roles(check)},
                   {"pools", Json::array()},
                   {"instances", Json::array()}};
  for (const auto& pool : check.pools)
    document["pools"].push_back({{"id", pool.id},
                                 {"budget_bytes", pool.budget.value()},
                                 {"used_bytes", pool.used.value()},
                                 {"headroom_bytes", pool.headroom().value()}});
  for (const auto& instance : check.instances)
    document["instances"].push_back({{"id", instance.id},
                                     {"model", instance.model},
                                     {"quant", instance.quant},
                                     {"pool", instance.pool},
                                     {"tier", plan_tier_name(instance.tier)},
                                     {"roles", instance.roles},
                                     {"planned_bytes", instance.planned.value()},
                                     {"memory_bytes", instance.memory.value()},
                                     {"fits", instance.fits}});
  return document.dump(2) + '\n';
}

std::string plan_check_text(const PlanCheck& check) {
  Bytes headroom(Bytes::highest);
  for (const auto& pool : check.pools) headroom = std::min(headroom, pool.headroom());
  std::string page =
      check.fits()
          ? fmt::format("{} fits on {}, with {} left.\n", check.file, check.host, size_text(headroom))
          : fmt::format("{} does not fit on {}: it would lose {}. Next: llmsize plan makes a plan for it.\n",
                        check.file, check.host, fmt::join(lost_roles(check), ", "));
  page += "\nPools\n";
  for (const auto& pool : check.pools)
    page += fmt::format("  {:<18} {:>12} of {:>12}, leaving {}\n", pool.id, size_text(pool.used),
                        size_text(pool.budget), size_text(pool.headroom()));
  page += "\nInstances\n";
  for (const auto& instance : check.instances) {
    page += fmt::format("  {:<18} {:<5} {:>12}  {} {}", instance.id, plan_tier_name(instance.tier),
                        size_text(instance.memory), instance.model, instance.quant);
    if (instance.memory != instance.planned)
      page += fmt::format(", planned with {}", size_text(instance.planned));
    page += instance.fits ? "\n" : ": no longer fits\n";
  }
  return page;
}

std::string plan_difference_json(const PlanDifference& difference) {
  Json document = {
      {"schema", "llmsize.plan_diff/1"},
      {"same", difference.changes.empty()},
      {"available_bytes",
       {{"before", difference.available_before.value()}, {"after", difference.available_after.value()}}},
      {"roles", Json::array()}};
  for (const auto& change : difference.changes)
    document["roles"].push_back({{"role", change.role},
                                 {"before", served_json(change.before)},
                                 {"after", served_json(change.after)}});
  return document.dump(2) + '\n';
}

std::string plan_difference_text(const PlanDifference& difference) {
  std::string page = difference.changes.empty()
                         ? std::string("Both plans serve every role alike.\n")
                         : fmt::format("{} roles differ.\n", difference.changes.size());
  if (difference.available_before != difference.available_after)
    page += fmt::format("\nFor models: {} before, {} after\n", size_text(difference.available_before),
                        size_text(difference.available_after));
  for (const auto& change : difference.changes)
    page += fmt::format("\n{}\n  before  {}\n  after   {}\n", change.role, served_text(change.before),
                        served_text(change.after));
  return page;
}

}  // namespace llmsize::render
