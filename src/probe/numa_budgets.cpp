#include <algorithm>

#include <fmt/format.h>

#include "llmsize/probe/probe.hpp"
#include "llmsize/probe/text.hpp"

namespace llmsize::probe {
namespace {

/// A node that can run threads beside its own memory, and what may be had there.
struct Place {
  int node = 0;
  Bytes room;
};

bool is_allowed(const Host& host, int node) {
  const auto& allowed = host.limits.allowed_memory_nodes;
  return !allowed.known() || std::binary_search(allowed.value->begin(), allowed.value->end(), node);
}

/// Nodes with system memory and processors. Where no node states its processors (--numa), all with memory.
std::vector<Place> places_of(const Host& host) {
  const bool any_cpus = std::any_of(host.numa.begin(), host.numa.end(),
                                    [](const NumaNode& node) { return !node.cpus.empty(); });
  std::vector<Place> places;
  for (const auto& node : host.numa) {
    const bool counts = node.is_system() && is_allowed(host, node.id) && (!any_cpus || !node.cpus.empty());
    const auto& room = node.available.known() ? node.available : node.free.known() ? node.free : node.total;
    if (counts && room.known()) places.push_back({node.id, *room.value});
  }
  return places;
}

}  // namespace

void derive_numa_budgets(Host& host) {
  const auto places = places_of(host);
  if (places.size() < 2 || !host.effective.memory.known()) {
    const auto why =
        unknown<Bytes>(places.size() < 2 ? "fewer than two NUMA nodes with processors and memory are usable"
                                         : host.effective.memory.source);
    host.numa_budgets = {why, -1, unknown<int>(why.source), why, why};
    return;
  }
  const Bytes all = *host.effective.memory.value;
  const auto by_room = [](const Place& a, const Place& b) { return a.room < b.room; };
  const Place& roomiest = *std::max_element(places.begin(), places.end(), by_room);
  const Place& tightest = *std::min_element(places.begin(), places.end(), by_room);
  const auto count = static_cast<std::int64_t>(places.size());
  NumaBudgets& budgets = host.numa_budgets;
  budgets.bind_node = roomiest.node;
  budgets.bind_threads = threads_on(host, roomiest.node);
  budgets.bind = derived(std::min(roomiest.room, all),
                         fmt::format("what node {} has, within the effective memory", roomiest.node));
  budgets.interleave =
      derived(std::min(tightest.room * count, all),
              fmt::format("{} nodes x what node {} has, within the effective memory", count, tightest.node));
  budgets.replicate = derived(
      std::min(tightest.room, Bytes(all.value() / count)),
      fmt::format("what node {} has, within a part in {} of the effective memory", tightest.node, count));
}

}  // namespace llmsize::probe
