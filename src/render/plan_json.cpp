#include "json_values.hpp"
#include "llmsize/render/plan.hpp"

namespace llmsize::render {
namespace {

Json budget_json(const PlanReport& report) {
  const MemoryBudget& b = report.budget;
  return {{"total_bytes", b.total.value()},
          {"os_reserve_bytes", b.os_reserve.value()},
          {"safety_bytes", b.safety.value()},
          {"available_bytes", b.available.value()},
          {"hot_bytes", b.hot.value()},
          {"warm_bytes", b.warm.value()},
          {"bound_by", report.bound_by},
          {"basis",
           {{"os_reserve_bytes", {{"source", report.os_reserve_source}}},
            {"safety_bytes", {{"source", report.safety_source}}}}}};
}

Json tier_json(const PlanReport& report) {
  if (!report.tier) return nullptr;
  return {
      {"id", report.tier->rule.id}, {"name", report.tier->rule.name}, {"advice", report.tier->rule.advice}};
}

Json runner_up_json(const PlanReport& report, std::size_t role) {
  if (role >= report.runner_ups.size() || !report.runner_ups[role]) return nullptr;
  const RunnerUp& next = *report.runner_ups[role];
  const PlanVariant& variant = report.request.variants[next.variant];
  return {{"model", variant.model},
          {"quant", variant.quant},
          {"quality", next.quality},
          {"lacked_bytes", next.lacked.value()}};
}

Json role_json(const PlanReport& report, std::size_t index) {
  const RolePlacement& role = report.plan.roles[index];
  return {{"role", role.role},
          {"priority", role.priority},
          {"required", role.required},
          {"tier", role.instance ? Json(plan_tier_name(role.tier)) : Json()},
          {"instance", role.instance ? Json(report.plan.instances[*role.instance].id) : Json()},
          {"status", role_status_name(role.status)},
          {"quality", role.instance ? Json(role.quality) : Json()},
          {"reason", role.reason},
          {"runner_up", runner_up_json(report, index)}};
}

/// What sizing needs beside model, quant, context and slots, so that a saved plan can be sized again.
Json run_json(const PlanReport& report, const PlanVariant& variant, std::int64_t roles) {
  const auto index = static_cast<std::size_t>(roles) - 1;
  const PlanOffload offload =
      index < variant.offload_by_roles.size() ? variant.offload_by_roles[index] : PlanOffload{};
  constexpr const char* load_modes[] = {"mmap", "none", "mlock"};
  const Residency& residency = report.residency;
  return {{"kv_unified", true},
          {"batch_tokens", variant.batch_tokens},
          {"ubatch_tokens", variant.ubatch_tokens},
          {"flash_attention", variant.flash_attention},
          {"prompt_cache_bytes", residency.prompt_cache_cap.value()},
          {"load_mode", load_modes[static_cast<int>(variant.load_mode)]},
          {"repack", residency.repack},
          {"isa", residency.isa},
          {"gpu_layers", offload.gpu_layers},
          {"cpu_expert_layers", offload.cpu_expert_layers},
          {"devices", variant.devices}};
}

Json file_json(const PlanReport& report, std::size_t variant) {
  const auto file = report.files.find(variant);
  if (file == report.files.end()) return nullptr;
  const auto& [name, size, repository] = file->second;
  return {{"name", name}, {"bytes", size.value()}, {"repository", text_or_null(repository)}};
}

/// Options of the server that the instance runs in; empty for a draft inside another one's server.
Json command_json(const PlanReport& report, const PlanInstance& instance) {
  Json words = Json::array();
  for (const auto& server : report.deployment.servers) {
    if (server.id != instance.id) continue;
    for (const auto& setting : server.settings) {
      words.push_back(setting.flag);
      if (!setting.value.empty()) words.push_back(setting.value);
    }
  }
  return words;
}

Json instance_json(const PlanReport& report, const PlanInstance& instance) {
  const PlanVariant& variant = report.request.variants[instance.variant];
  // What the server is started with: roles at once times each one's share.
  const auto roles =
      instance.tier == PlanTier::hot ? static_cast<std::int64_t>(instance.roles.size()) : std::int64_t{1};
  double quality = 0;
  for (const auto& role : report.plan.roles)
    if (role.role == instance.id) quality = role.quality;
  return {{"id", instance.id},
          {"model", variant.model},
          {"quant", variant.quant},
          {"context_tokens", variant.context_tokens * roles},
          {"parallel", variant.parallel * roles},
          {"cache_type_k", variant.cache_type_k},
          {"cache_type_v", variant.cache_type_v},
          {"tier", plan_tier_name(instance.tier)},
          {"pool", report.plan.groups[instance.group].id},
          {"roles", instance.roles},
          {"memory_bytes", instance.memory.value()},
          {"host_bytes", (variant.pool == 0 ? instance.in_group : instance.on_host).value()},
          {"device_bytes", variant.pool == 0 ? 0 : instance.in_group.value()},
          {"weights_bytes", variant.weights.value()},
          {"projector_bytes", variant.projector.value()},
          {"kv_bytes", (variant.kv_per_role * roles).value()},
          {"load_seconds", or_null(variant.load_seconds)},
          {"decode_tokens_per_second", or_null(variant.decode_tokens_per_second)},
          {"quality", quality},
          {"file", file_json(report, instance.variant)},
          {"run", run_json(report, variant, roles)},
          {"command", command_json(report, instance)}};
}

Json pool_json(const PlanGroup& group, const PlanPool& pool, const PoolUse& use) {
  return {{"id", group.id},
          {"kind", pool.kind},
          {"devices", group.devices},
          {"label", text_or_null(pool.label)},
          {"capacity_bytes", pool.capacity.value()},
          {"reserve_bytes", (pool.os_reserve + pool.safety).value()},
          {"hot_bytes", use.hot.value()},
          {"warm_peak_bytes", use.warm_peak.value()},
          {"shared_bytes", use.shared.value()},
          {"headroom_bytes", use.headroom.value()}};
}

Json ladder_json(const std::vector<LadderStep>& ladder) {
  Json steps = Json::array();
  for (const auto& step : ladder)
    steps.push_back({{"share", step.share},
                     {"budget_bytes", step.budget.value()},
                     {"served", step.served},
                     {"dropped", step.dropped},
                     {"changed", step.changed}});
  return steps;
}

}  // namespace

std::string plan_json(const PlanReport& report) {
  Json document = {{"schema", "llmsize.plan/1"},
                   {"host", {{"name", report.host}, {"memory_total_bytes", report.budget.total.value()}}},
                   {"budget", budget_json(report)},
                   {"tier", tier_json(report)},
                   {"roles", Json::array()},
                   {"instances", Json::array()},
                   {"pools", Json::array()},
                   {"ladder", ladder_json(report.plan.ladder)}};
  for (std::size_t i = 0; i < report.plan.roles.size(); ++i)
    document["roles"].push_back(role_json(report, i));
  for (const auto& instance : report.plan.instances)
    document["instances"].push_back(instance_json(report, instance));
  for (std::size_t i = 0; i < report.plan.pools.size(); ++i)
    document["pools"].push_back(pool_json(
        report.plan.groups[i], report.request.pools[report.plan.groups[i].pool], report.plan.pools[i]));
  const auto& next = report.plan.next_step;
  const auto& gain = report.plan.next_gain;
  document["next_step"] = {{"text", report.next_step},
                           {"role", next ? Json(next->role) : Json()},
                           {"changed", gain ? Json(gain->changed) : Json()},
                           {"extra_bytes", next   ? Json(next->extra.value())
                                           : gain ? Json(gain->extra.value())
                                                  : Json()},
                           {"ram_bytes", report.next_ram ? Json(report.next_ram->value()) : Json()}};
  document["objective"] = {{"value", report.plan.objective.value},
                           {"bound", report.plan.objective.bound},
                           {"gap", report.plan.objective.gap()}};
  document["dropped_in_order"] = dropped_roles(report.plan);
  document["spare_uses"] = report.spare_uses;
  document["guide"] = report.guide_advice;
  document["notes"] = report.notes;
  return document.dump(2) + '\n';
}

}  // namespace llmsize::render
