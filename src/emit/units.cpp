#include "llmsize/emit/units.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "llmsize/core/deployment.hpp"

namespace llmsize::emit {
namespace {

/// Processes of a unit before anything is said about them: indices of HOT servers, and pools of WARM ones.
struct Group {
  std::vector<std::size_t> hot;
  std::vector<std::string> pools;
  std::vector<std::int64_t> devices;
  std::vector<std::string> files;  ///< Mapped ones, each with its pool.
  [[nodiscard]] std::size_t processes() const { return hot.size() + pools.size(); }
};

/// A mapped file is shared in one pool; empty: none.
std::string shared_file(const Server& server) {
  return server.mapped_file.empty() ? "" : server.pool + " " + server.mapped_file;
}

template <typename Value>
bool overlap(const std::vector<Value>& a, const std::vector<Value>& b) {
  return std::find_first_of(a.begin(), a.end(), b.begin(), b.end()) != a.end();
}

template <typename Value>
void append(const std::vector<Value>& more, std::vector<Value>& to) {
  to.insert(to.end(), more.begin(), more.end());
}

void join(const Group& other, Group& group) {
  append(other.hot, group.hot);
  append(other.pools, group.pools);
  append(other.files, group.files);
  append(other.devices, group.devices);
  std::sort(group.devices.begin(), group.devices.end());
  group.devices.erase(std::unique(group.devices.begin(), group.devices.end()), group.devices.end());
}

/// Joins `added` with every group that has something in common with it; the first one's place is kept.
void add_group(const Group& added, std::vector<Group>& groups) {
  std::vector<Group> kept;
  std::optional<std::size_t> joined;
  for (const auto& group : groups) {
    const bool common = overlap(group.devices, added.devices) || overlap(group.files, added.files);
    if (common && joined) {
      join(group, kept[*joined]);
      continue;
    }
    if (common) joined = kept.size();
    kept.push_back(group);
  }
  if (joined)
    join(added, kept[*joined]);
  else
    kept.push_back(added);
  groups = std::move(kept);
}

std::vector<Group> groups_of(const Deployment& deployment, bool reserves) {
  std::vector<Group> groups;
  const auto add = [&](const Group& added) {
    if (reserves)
      add_group(added, groups);
    else
      groups.push_back(added);
  };
  for (std::size_t i = 0; i < deployment.servers.size(); ++i) {
    const Server& server = deployment.servers[i];
    if (server.tier != PlanTier::hot) continue;
    Group group{{i}, {}, server.devices, {}};
    if (!server.mapped_file.empty()) group.files.push_back(shared_file(server));
    add(group);
  }
  for (const auto& pool : warm_groups(deployment)) {
    Group group{{}, {pool}, {}, {}};
    for (const Server* server : warm_servers(deployment, pool)) {
      group.devices = server->devices;
      if (!server->mapped_file.empty()) group.files.push_back(shared_file(*server));
    }
    add(group);
  }
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
  std::set<std::string> mapped;
  const auto own_memory = [&](const Server& server) {
    return mapped.count(shared_file(server)) != 0 ? server.host_memory - server.mapped : server.host_memory;
  };
  for (const std::size_t index : group.hot) {
    const Server& server = deployment.servers[index];
    describe(server, unit);
    unit.processes.push_back(process_of(deployment, server));
    unit.host_memory += own_memory(server);
    if (!server.mapped_file.empty()) mapped.insert(shared_file(server));
  }
  for (const auto& pool : group.pools) {
    Bytes peak;
    for (const Server* server : warm_servers(deployment, pool)) {
      describe(*server, unit);
      peak = std::max(peak, own_memory(*server));
    }
    unit.processes.push_back(router_of(deployment, pool, rules.preset_folder));
    unit.warm_pools.push_back(pool);
    unit.host_memory += peak + router_allowance;
  }
  return unit;
}

}  // namespace

Division divided(Deployment deployment, const UnitRules& rules) {
  const auto groups = groups_of(deployment, rules.reserves);
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
