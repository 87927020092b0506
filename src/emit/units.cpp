#include "llmsize/emit/units.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "llmsize/core/deployment.hpp"

namespace llmsize::emit {
namespace {

/// Processes of a unit before anything is said about them: indices of HOT servers, and pools of WARM ones.
struct Group {
  std::vector<std::size_t> hot;
  std::vector<std::string> pools;
  std::vector<std::int64_t> devices;
  [[nodiscard]] std::size_t processes() const { return hot.size() + pools.size(); }
};

void add_devices(const std::vector<std::int64_t>& devices, Group& group) {
  group.devices.insert(group.devices.end(), devices.begin(), devices.end());
  std::sort(group.devices.begin(), group.devices.end());
  group.devices.erase(std::unique(group.devices.begin(), group.devices.end()), group.devices.end());
}

bool share_a_gpu(const Group& a, const Group& b) {
  return std::find_first_of(a.devices.begin(), a.devices.end(), b.devices.begin(), b.devices.end()) !=
         a.devices.end();
}

/// Joins `added` with every group that has a GPU in common with it.
void add_group(Group added, bool exclusive_gpus, std::vector<Group>& groups) {
  std::vector<Group> kept;
  std::optional<std::size_t> joined;
  for (auto& group : groups) {
    if (!exclusive_gpus || !share_a_gpu(group, added)) {
      kept.push_back(std::move(group));
      continue;
    }
    Group& into = joined ? kept[*joined] : kept.emplace_back();
    if (!joined) joined = kept.size() - 1;
    into.hot.insert(into.hot.end(), group.hot.begin(), group.hot.end());
    into.pools.insert(into.pools.end(), group.pools.begin(), group.pools.end());
    add_devices(group.devices, into);
  }
  if (!joined) {
    kept.push_back(std::move(added));
  } else {
    Group& into = kept[*joined];
    into.hot.insert(into.hot.end(), added.hot.begin(), added.hot.end());
    into.pools.insert(into.pools.end(), added.pools.begin(), added.pools.end());
    add_devices(added.devices, into);
  }
  groups = std::move(kept);
}

std::vector<Group> groups_of(const Deployment& deployment, bool exclusive_gpus) {
  std::vector<Group> groups;
  for (std::size_t i = 0; i < deployment.servers.size(); ++i)
    if (deployment.servers[i].tier == PlanTier::hot)
      add_group({{i}, {}, deployment.servers[i].devices}, exclusive_gpus, groups);
  for (const auto& pool : warm_groups(deployment))
    add_group({{}, {pool}, warm_servers(deployment, pool).front()->devices}, exclusive_gpus, groups);
  return groups;
}

bool runs(const Group& group, const Server& server, std::size_t index) {
  if (server.tier == PlanTier::hot)
    return std::find(group.hot.begin(), group.hot.end(), index) != group.hot.end();
  return std::find(group.pools.begin(), group.pools.end(), server.pool) != group.pools.end();
}

void set_option(Server& server, const std::string& flag, const std::string& value) {
  for (auto& setting : server.settings)
    if (setting.flag == flag) setting.value = value;
}

/// A unit that sees only its own GPUs counts them from 0.
void renumber(const std::vector<std::int64_t>& visible, Server& server) {
  if (server.devices.empty()) return;
  std::vector<std::int64_t> numbers;
  for (const std::int64_t device : server.devices)
    numbers.push_back(std::find(visible.begin(), visible.end(), device) - visible.begin());
  set_option(server, "--device", device_names(server.backend, numbers));
}

/// An even share of the machine's processors, and no more than the unit's node has for its units.
std::optional<int> share_of(const Server& server, const std::vector<Group>& groups,
                            const Deployment& deployment) {
  if (!server.threads) return std::nullopt;
  int share = std::max(1, (*server.threads - 1) / static_cast<int>(groups.size()));
  if (server.cpus.empty()) return share;
  int on_node = 0;
  for (const auto& group : groups)
    for (std::size_t i = 0; i < deployment.servers.size(); ++i)
      if (runs(group, deployment.servers[i], i)) {
        if (deployment.servers[i].numa_node == server.numa_node) ++on_node;
        break;
      }
  return std::max(1, std::min(share, static_cast<int>(server.cpus.size()) / std::max(1, on_node)));
}

Process process_of(const Deployment& deployment, const Server& server) {
  return {description(server), option_words(server, deployment.listen_address, std::to_string(server.port)),
          server.roles, server.port, server.load_seconds.value_or(0)};
}

Process router_of(const Deployment& deployment, const std::string& pool, const std::string& folder) {
  const auto all = warm_groups(deployment);
  const auto group = static_cast<std::size_t>(std::find(all.begin(), all.end(), pool) - all.begin());
  Process router;
  router.comment = fmt::format("WARM, one at a time ({})", pool);
  router.port = router_port(deployment, group);
  router.options = router_words(folder + preset_name(pool), deployment.listen_address, router.port);
  for (const Server* server : warm_servers(deployment, pool)) {
    router.roles.insert(router.roles.end(), server->roles.begin(), server->roles.end());
    router.load_seconds = std::max(router.load_seconds, server->load_seconds.value_or(0));
  }
  return router;
}

void describe(const Server& server, Unit& unit) {
  if (!server.backend.empty()) unit.backend = server.backend;
  unit.locked = unit.locked || server.locked;
  unit.numa_node = server.numa_node;
  unit.cpus = server.cpus;
}

Unit unit_of(const Deployment& deployment, const Group& group, const UnitRules& rules) {
  Unit unit;
  unit.devices = group.devices;
  unit.id = group.hot.empty() ? warm_name(group.pools.front()) : deployment.servers[group.hot.front()].id;
  for (const std::size_t index : group.hot) {
    const Server& server = deployment.servers[index];
    describe(server, unit);
    unit.processes.push_back(process_of(deployment, server));
    unit.host_memory += server.host_memory;
  }
  for (const auto& pool : group.pools) {
    const auto members = warm_servers(deployment, pool);
    for (const Server* server : members) describe(*server, unit);
    unit.processes.push_back(router_of(deployment, pool, rules.preset_folder));
    unit.warm_pools.push_back(pool);
    unit.host_memory += peak_host_memory(members) + router_allowance;
  }
  return unit;
}

}  // namespace

Division divided(Deployment deployment, const UnitRules& rules) {
  const auto groups = groups_of(deployment, rules.exclusive_gpus);
  Division division;
  for (const auto& group : groups) {
    std::optional<int> threads;
    for (std::size_t i = 0; i < deployment.servers.size(); ++i) {
      Server& server = deployment.servers[i];
      if (!runs(group, server, i)) continue;
      if (rules.renumbers_gpus) renumber(group.devices, server);
      if (!threads) threads = rules.own_cpus ? share_of(server, groups, deployment) : server.threads;
      if (rules.own_cpus && threads)
        set_option(server, "--threads",
                   std::to_string(std::max(1, *threads / static_cast<int>(group.processes()))));
    }
    division.units.push_back(unit_of(deployment, group, rules));
    division.units.back().threads = threads;
  }
  division.deployment = std::move(deployment);
  return division;
}

}  // namespace llmsize::emit
