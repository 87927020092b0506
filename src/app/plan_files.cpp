#include "llmsize/app/plan_files.hpp"

#include <algorithm>

#include "llmsize/app/plan_inputs.hpp"
#include "llmsize/app/plan_sizing.hpp"
#include "llmsize/app/saved_plan.hpp"
#include "llmsize/core/plan_check.hpp"
#include "llmsize/core/plan_difference.hpp"
#include "llmsize/render/plan.hpp"

namespace llmsize::app {
namespace {

Result<SavedPlan> read_plan(const Services& services, const std::string& file) {
  const auto content = services.files.read_text(file);
  if (!content) return tl::unexpected(content.error());
  return parse_saved_plan(*content, file);
}

int priority_of(const SavedPlan& plan, const SavedInstance& instance) {
  int least = 0;
  for (const auto& role : plan.roles)
    if (role.instance == instance.id && (least == 0 || role.priority < least)) least = role.priority;
  return least;
}

Residency residency_of(const SavedInstance& instance, const PlanReport& report) {
  Residency residency = report.residency;
  residency.prompt_cache_cap = instance.prompt_cache;
  residency.load_mode = instance.load_mode == "mlock"  ? LoadMode::mlock
                        : instance.load_mode == "none" ? LoadMode::none
                                                       : LoadMode::mmap;
  return residency;
}

Result<CheckedInstance> checked(const Services& services, const SavedPlan& plan, const SavedInstance& saved,
                                const PlanReport& report) {
  PlanSizer sizer(services, residency_of(saved, report), false);
  const auto variant = sizer.variant(saved.model, saved.quant, {saved.context_tokens, saved.parallel}, 1);
  if (!variant) return tl::unexpected(variant.error());
  CheckedInstance instance;
  instance.id = saved.id;
  instance.model = saved.model;
  instance.quant = saved.quant;
  instance.pool = saved.pool;
  instance.roles = saved.roles;
  instance.tier = saved.tier;
  instance.priority = priority_of(plan, saved);
  instance.planned = saved.memory;
  instance.memory = variant->memory_by_roles.front();
  return instance;
}

/// The roles of a plan with what serves each.
std::vector<ServedRole> served_roles(const SavedPlan& plan) {
  std::vector<ServedRole> roles;
  for (const auto& role : plan.roles) {
    ServedRole served;
    served.role = role.id;
    served.status = role.status;
    for (const auto& instance : plan.instances)
      if (instance.id == role.instance) {
        served.model = instance.model;
        served.quant = instance.quant;
        served.tier = plan_tier_name(instance.tier);
        served.pool = instance.pool;
        served.context_tokens = instance.context_tokens;
        served.parallel = instance.parallel;
        served.memory = instance.memory;
      }
    roles.push_back(std::move(served));
  }
  return roles;
}

}  // namespace

Result<Outcome> check_plan(const Services& services, const Host& host, const PlanOptions& options,
                           const std::string& file) {
  const auto plan = read_plan(services, file);
  if (!plan) return tl::unexpected(plan.error());
  PlanReport report;
  if (auto set = set_budget(services, host, options, report); !set) return tl::unexpected(set.error());
  PlanCheck check;
  check.file = file;
  check.host = report.host;
  for (const auto& pool : report.request.pools) check.pools.push_back({pool.id, pool.budget(), Bytes(0)});
  for (const auto& saved : plan->instances) {
    auto instance = checked(services, *plan, saved, report);
    if (!instance) return tl::unexpected(instance.error());
    check.instances.push_back(std::move(*instance));
  }
  judge_plan(check);
  return Outcome{options.json ? render::plan_check_json(check) : render::plan_check_text(check),
                 check.fits() ? exit_status::done : exit_status::does_not_fit};
}

Result<Outcome> compare_plans(const Services& services, const std::string& before, const std::string& after,
                              bool json) {
  const auto a = read_plan(services, before);
  if (!a) return tl::unexpected(a.error());
  const auto b = read_plan(services, after);
  if (!b) return tl::unexpected(b.error());
  PlanDifference difference = difference_of(served_roles(*a), served_roles(*b));
  difference.available_before = a->available;
  difference.available_after = b->available;
  return Outcome{json ? render::plan_difference_json(difference) : render::plan_difference_text(difference)};
}

}  // namespace llmsize::app
