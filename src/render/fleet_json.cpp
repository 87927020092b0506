#include "json_values.hpp"
#include "llmsize/render/fleet.hpp"

namespace llmsize::render {
namespace {

Json role_json(const FleetRole& role) {
  return {{"role", role.id},
          {"priority", role.priority},
          {"required", role.required},
          {"cloud", role.cloud},
          {"replicas_wanted", or_null(role.wanted)},
          {"asked", role.asked},
          {"replicas", role.served},
          {"demand_tokens_per_second", or_null(role.demand)},
          {"decode_tokens_per_second", or_null(role.delivered)},
          {"lacks", role.lacks()},
          {"reason", text_or_null(role.reason)}};
}

Json names_of(const FleetReport& report, const std::vector<std::size_t>& hosts) {
  Json names = Json::array();
  for (const std::size_t host : hosts) names.push_back(report.hosts[host].name);
  return names;
}

Json gpus_json(const Host& host) {
  Json gpus = Json::array();
  for (const auto& gpu : host.gpus)
    gpus.push_back(
        {{"name", gpu.name},
         {"memory_total_bytes", gpu.memory_total.known() ? Json(gpu.memory_total.value->value()) : Json()}});
  return gpus;
}

Json class_json(const FleetReport& report, std::size_t index) {
  const MachineClass& machines = report.classes[index];
  const Host& smallest = machines.smallest;
  return {{"id", machines.id},
          {"hosts", names_of(report, machines.members)},
          {"memory_total_bytes", smallest.memory.total.value_or(Bytes()).value()},
          {"least_memory_bytes", machines.least_memory.value()},
          {"most_memory_bytes", machines.most_memory.value()},
          {"tightest_host", report.hosts[machines.tightest].name},
          {"cpu", smallest.cpu.model.known() ? Json(*smallest.cpu.model.value) : Json()},
          {"numa_nodes", smallest.numa.size()},
          {"gpus", gpus_json(smallest)}};
}

Json group_json(const FleetReport& report, const FleetGroup& group) {
  return {{"id", group.id},
          {"class", report.classes[group.machine_class].id},
          {"hosts", names_of(report, group.hosts)},
          {"roles", group.roles},
          {"plan", Json::parse(group.plan.deployment.document)}};
}

Json host_json(const FleetReport& report, const PlannedHost& host) {
  const FleetGroup* group = host.group ? &report.groups[*host.group] : nullptr;
  return {{"name", host.name},
          {"machine_id", text_or_null(host.machine_id)},
          {"class", report.classes[host.machine_class].id},
          {"group", group == nullptr ? Json() : Json(group->id)},
          {"roles", group == nullptr ? Json::array() : Json(group->roles)}};
}

}  // namespace

std::string fleet_json(const FleetReport& report) {
  Json document = {{"schema", "llmsize.fleet_plan/1"},
                   {"folder", report.folder},
                   {"host_count", report.hosts.size()},
                   {"free_host_count", report.free_hosts()},
                   {"complete", !report.lacks_any()},
                   {"roles", Json::array()},
                   {"classes", Json::array()},
                   {"groups", Json::array()},
                   {"hosts", Json::array()},
                   {"losses", Json::array()}};
  for (const auto& role : report.roles) document["roles"].push_back(role_json(role));
  for (std::size_t i = 0; i < report.classes.size(); ++i)
    document["classes"].push_back(class_json(report, i));
  for (const auto& group : report.groups) document["groups"].push_back(group_json(report, group));
  for (const auto& host : report.hosts) document["hosts"].push_back(host_json(report, host));
  for (const auto& loss : report.losses)
    document["losses"].push_back({{"class", loss.machine_class},
                                  {"fewer", loss.fewer},
                                  {"vanished", loss.vanished},
                                  {"lost", loss.lost},
                                  {"remedies", loss.remedies}});
  document["assignment"] = {{"method", report.method},
                            {"value", report.value},
                            {"bound", report.bound},
                            {"gap", report.bound - report.value}};
  document["left_out"] = Json::array();
  for (const auto& bad : report.left_out)
    document["left_out"].push_back({{"file", bad.file}, {"reason", bad.reason}});
  document["notes"] = report.notes;
  // Names of files need not be valid UTF-8.
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace llmsize::render
