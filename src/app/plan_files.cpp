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

/// The numbers in "gpu2+gpu3"; empty for other places.
std::vector<std::string> devices_in(const std::string& place) {
  std::vector<std::string> names;
  for (std::size_t begin = 0; place.starts_with("gpu") && begin <= place.size();) {
    const auto end = std::min(place.find('+', begin), place.size());
    names.push_back(place.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

/// The devices of this host that a saved instance was planned for; nothing where one is not there.
std::optional<DeviceGroup> devices_of(const SavedInstance& saved, const PlanReport& report,
                                      const std::vector<DeviceGroup>& gpus) {
  DeviceGroup group;
  for (const auto& name : devices_in(saved.pool))
    for (const auto& single : gpus) {
      if (single.devices.size() != 1) continue;
      const PlanPool& pool = report.request.pools[single.pool];
      for (std::int64_t i = 0; i < pool.count; ++i)
        if (name == pool.id + std::to_string(pool.first_device + i)) {
          group.devices.push_back(single.devices.front());
          group.budget = single.budget;
        }
    }
  if (group.devices.empty() || group.devices.size() != static_cast<std::size_t>(saved.devices))
    return std::nullopt;
  return group;
}

Result<CheckedInstance> checked(const Services& services, const SavedPlan& plan, const SavedInstance& saved,
                                const PlanReport& report, const std::vector<DeviceGroup>& gpus) {
  PlanSizer sizer(services, residency_of(saved, report), false);
  const RoleRun run{saved.context_tokens, saved.parallel, std::nullopt, saved.projector};
  const auto places = devices_in(saved.pool);
  const auto group = devices_of(saved, report, gpus);
  const auto variant = places.empty() || !group ? sizer.variant(saved.model, saved.quant, run, 1)
                                                : sizer.placed(*group, saved.model, saved.quant, run,
                                                               {saved.gpu_layers, saved.cpu_expert_layers});
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
  if (places.empty()) {
    instance.needs = {{saved.pool, instance.memory}};
    instance.shared_file = variant->shared_file;
    instance.shared_bytes = variant->shared_bytes;
    return instance;
  }
  // On a host without these GPUs nothing is known but that it cannot stay there.
  for (const auto& place : places) instance.needs.emplace_back(place, instance.memory);
  if (group && !variant->host_by_roles.empty()) {
    const Bytes on_host = variant->host_by_roles.front();
    instance.needs.emplace_back(report.request.pools.front().id, on_host);
    instance.memory = instance.memory * saved.devices + on_host;
  }
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

Result<PlanCheck> checked_plan(const Services& services, const Host& host, const PlanOptions& options,
                               const SavedPlan& plan, const std::string& file,
                               const std::vector<CheckedInstance>* sized) {
  PlanReport report;
  if (auto set = set_budget(services, host, options, report); !set) return tl::unexpected(set.error());
  PlanCheck check;
  check.file = file;
  check.host = report.host;
  const auto gpus = add_gpu_pools(services, host, options, report);
  if (!gpus) return tl::unexpected(gpus.error());
  // A plan that is bound to nodes is checked against nodes.
  const bool by_node = std::any_of(plan.instances.begin(), plan.instances.end(),
                                   [](const SavedInstance& i) { return i.pool.starts_with("node"); });
  if (by_node)
    if (auto bound = bound_to_nodes(host, options, report.request)) report.request = std::move(*bound);
  for (const auto& pool : report.request.pools)
    for (std::int64_t i = 0; i < pool.count; ++i)
      check.pools.push_back({pool.kind == "gpu" ? pool.id + std::to_string(pool.first_device + i) : pool.id,
                             pool.budget(), Bytes(0)});
  if (sized != nullptr) check.instances = *sized;
  for (const auto& saved : plan.instances) {
    if (sized != nullptr) break;
    auto instance = checked(services, plan, saved, report, *gpus);
    // Whatever is wrong with it stands in the file, not on the command line.
    if (!instance)
      return fail(ErrorCode::malformed, file + ": " + instance.error().message, instance.error().hint);
    check.instances.push_back(std::move(*instance));
  }
  judge_plan(check);
  return check;
}

Result<Outcome> check_plan(const Services& services, const Host& host, const PlanOptions& options,
                           const std::string& file) {
  const auto plan = read_plan(services, file);
  if (!plan) return tl::unexpected(plan.error());
  const auto check = checked_plan(services, host, options, *plan, file);
  if (!check) return tl::unexpected(check.error());
  return Outcome{options.json ? render::plan_check_json(*check) : render::plan_check_text(*check),
                 check->fits() ? exit_status::done : exit_status::does_not_fit};
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
