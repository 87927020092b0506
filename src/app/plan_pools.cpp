#include <algorithm>

#include <fmt/format.h>

#include "llmsize/app/plan_inputs.hpp"
#include "llmsize/core/text.hpp"

namespace llmsize::app {
namespace {

/// Whether two devices can be told apart by little but their number: what is free differs by what a display
/// or a driver holds.
bool alike(const Device& a, const Device& b) {
  constexpr std::int64_t parts = 20;
  if (a.label != b.label || a.backend != b.backend || a.unified != b.unified) return false;
  if (!a.capacity.known() || !b.capacity.known()) return a.capacity.known() == b.capacity.known();
  const auto [least, most] = std::minmax(*a.capacity.value, *b.capacity.value);
  return (most - least) * parts <= most;
}

/// Budgets of a machine's NUMA nodes: its own where it was probed, else equal parts of everything.
std::vector<PlanPool> node_pools(const Host& host, const PlanOptions& options, const PlanPool& whole) {
  std::vector<PlanPool> pools;
  if (!options.ram && !options.numa_nodes) {
    for (const auto& node : host.numa) {
      if (node.cpus.empty() || !node.is_system() || !node.total.known()) continue;
      PlanPool pool;
      pool.capacity = *node.total.value;
      pool.numa_node = node.id;
      pool.cpus = node.cpus;
      pools.push_back(std::move(pool));
    }
  } else {
    const auto count = options.numa_nodes.value_or(1);
    for (std::int64_t id = 0; id < count; ++id) {
      PlanPool pool;
      pool.capacity = Bytes(whole.capacity.value() / count);
      pool.numa_node = static_cast<int>(id);
      pools.push_back(std::move(pool));
    }
  }
  const auto count = std::max<std::int64_t>(1, static_cast<std::int64_t>(pools.size()));
  for (auto& pool : pools) {
    pool.id = fmt::format("node{}", *pool.numa_node);
    pool.kind = "numa_node";
    pool.os_reserve = Bytes(whole.os_reserve.value() / count);
    pool.safety = Bytes(whole.safety.value() / count);
  }
  return pools;
}

}  // namespace

Result<std::vector<DeviceGroup>> add_gpu_pools(const Services& services, const Host& host,
                                               const PlanOptions& options, PlanReport& report) {
  std::vector<DeviceGroup> groups;
  const auto gpus = gpus_of_run(services, options.gpus, options.ram ? Host{} : host,
                                overridden(report.budget.available, "--ram"));
  if (!gpus) return tl::unexpected(gpus.error());
  report.notes.insert(report.notes.end(), gpus->notes.begin(), gpus->notes.end());
  const auto& devices = gpus->devices;
  for (std::size_t first = 0, next = 0; first < devices.size(); first = next) {
    while (next < devices.size() && alike(devices[first], devices[next])) ++next;
    Device device = devices[first];
    for (std::size_t i = first; i < next; ++i)
      if (devices[i].capacity.known() && *devices[i].capacity.value < *device.capacity.value)
        device.capacity = devices[i].capacity;
    if (device.unified || !device.capacity.known()) {
      report.notes.push_back(
          fmt::format("{} shares the host's memory, so it is planned as RAM", device.label));
      continue;
    }
    PlanPool pool;
    pool.id = "gpu";
    pool.kind = "gpu";
    pool.label = device.label;
    pool.backend = device.backend;
    pool.capacity = *device.capacity.value;
    // What the engine's own --fit-target leaves free on every device.
    pool.safety = OffloadRequest{}.fit_margin;
    pool.count = static_cast<std::int64_t>(next - first);
    pool.first_device = static_cast<std::int64_t>(first);
    report.request.pools.push_back(pool);
    for (std::int64_t size = 1;; size = std::min(size * 2, pool.count)) {
      DeviceGroup group;
      group.pool = report.request.pools.size() - 1;
      group.devices.assign(static_cast<std::size_t>(size), device);
      group.specs.assign(static_cast<std::size_t>(size), gpus->specs[first]);
      group.whole_pool = size == pool.count;
      group.budget = pool.budget();
      for (std::size_t i = 0; i < group.devices.size(); ++i) group.devices[i].name = fmt::format("GPU{}", i);
      groups.push_back(std::move(group));
      if (size == pool.count) break;
    }
  }
  return groups;
}

std::optional<PlanRequest> bound_to_nodes(const Host& host, const PlanOptions& options,
                                          const PlanRequest& request) {
  const auto nodes = node_pools(host, options, request.pools.front());
  if (nodes.size() < 2) return std::nullopt;
  PlanRequest bound = request;
  // The first node is the pool whose memory GPUs take their host part from.
  bound.pools.front() = nodes.front();
  const std::size_t first_node = bound.pools.size();
  bound.pools.insert(bound.pools.end(), nodes.begin() + 1, nodes.end());
  std::vector<std::vector<std::size_t>> copies(request.variants.size());
  for (std::size_t v = 0; v < request.variants.size(); ++v) {
    if (request.variants[v].pool != 0) continue;
    for (std::size_t node = first_node; node < bound.pools.size(); ++node) {
      PlanVariant copy = request.variants[v];
      copy.pool = node;
      copy.id += " " + bound.pools[node].id;
      copies[v].push_back(bound.variants.size());
      bound.variants.push_back(std::move(copy));
    }
  }
  for (auto& role : bound.roles)
    for (std::size_t i = 0, own = role.options.size(); i < own; ++i)
      for (const std::size_t copy : copies[role.options[i].variant]) {
        PlanOption option = role.options[i];
        option.variant = copy;
        role.options.push_back(option);
      }
  return bound;
}

}  // namespace llmsize::app
