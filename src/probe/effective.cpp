#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "llmsize/core/text.hpp"
#include "llmsize/probe/probe.hpp"
#include "llmsize/probe/text.hpp"

namespace llmsize::probe {
namespace {

/// A bound on memory, and what sets it.
struct Bound {
  Bytes size;
  std::string by;
};

/// What could be had on the allowed nodes, where not all nodes that hold system memory are allowed.
std::optional<Bound> node_bound(const Host& host) {
  const auto& allowed = host.limits.allowed_memory_nodes;
  if (!allowed.known() || host.numa.size() < 2) return std::nullopt;
  Bytes total, room;
  bool restricted = false;
  for (const auto& node : host.numa) {
    if (node.is_gpu()) continue;
    const bool is_allowed = std::binary_search(allowed.value->begin(), allowed.value->end(), node.id);
    restricted = restricted || (!is_allowed && node.total.value_or(Bytes()) > Bytes());
    if (!is_allowed) continue;
    if (!node.total.known()) return std::nullopt;
    total += *node.total.value;
    room += node.available.value_or(node.free.value_or(*node.total.value));
  }
  if (!restricted || total == Bytes()) return std::nullopt;
  return Bound{room,
               fmt::format("allowed NUMA nodes {} ({})", cpu_list_text(*allowed.value), allowed.source)};
}

void derive_memory(Host& host) {
  std::vector<Bound> bounds;
  const auto& memory = host.memory;
  if (memory.available.known()) {
    bounds.push_back({*memory.available.value, fmt::format("available memory: {}", memory.available.source)});
  } else if (memory.total.known()) {
    bounds.push_back({*memory.total.value, fmt::format("total memory: {}", memory.total.source)});
  }
  const auto& limits = host.limits;
  if (limits.memory_available.known())
    bounds.push_back(
        {*limits.memory_available.value,
         fmt::format("control group: {}",
                     limits.bound_by.empty() ? limits.memory_available.source : limits.bound_by)});
  else if (limits.memory_max.known())
    bounds.push_back({*limits.memory_max.value, fmt::format("control group: {}", limits.memory_max.source)});
  if (auto nodes = node_bound(host)) bounds.push_back(std::move(*nodes));
  if (bounds.empty()) {
    host.effective.memory = unknown<Bytes>("no source states the memory; --ram supplies it");
    host.effective.bound_by.clear();
    return;
  }
  const auto tightest = std::min_element(bounds.begin(), bounds.end(),
                                         [](const Bound& a, const Bound& b) { return a.size < b.size; });
  host.effective.memory = derived(tightest->size, fmt::format("the least of {} bounds", bounds.size()));
  host.effective.bound_by = tightest->by;
}

/// Cores of which at least one logical CPU is allowed, among the CPUs of `within`.
int allowed_cores(const Host& host, const std::vector<int>& within) {
  const auto allowed =
      host.limits.allowed_cpus.known() ? intersection(within, *host.limits.allowed_cpus.value) : within;
  return static_cast<int>(
      std::count_if(host.cpu.cores.begin(), host.cpu.cores.end(),
                    [&](const CoreCpus& core) { return !intersection(core, allowed).empty(); }));
}

Fact<int> limited_threads(const Host& host, int cores, std::string source) {
  if (const auto& quota = host.limits.cpu_quota_cores; quota.known() && *quota.value < cores) {
    // A thread beyond the quota would be stopped in the middle of every step, and the others wait for it.
    return derived(std::max(1, static_cast<int>(std::floor(*quota.value))), quota.source);
  }
  return derived(cores, std::move(source));
}

/// How many of the kinds, which are sorted by speed, are about as fast as the first. A phone has one core
/// that clocks a little higher than the other fast ones. Intel's two kinds differ by more than their clocks.
std::size_t fast_kinds(const CpuFacts& cpu) {
  constexpr double about_as_fast = 0.8;
  const CpuKind& first = cpu.kinds.front();
  if (!first.max_megahertz.known() || first.name.value == "performance") return 1;
  const auto slower = std::find_if(cpu.kinds.begin(), cpu.kinds.end(), [&](const CpuKind& kind) {
    return kind.max_megahertz.value_or(0) < about_as_fast * *first.max_megahertz.value;
  });
  return static_cast<std::size_t>(slower - cpu.kinds.begin());
}

std::vector<int> fast_cpus(const CpuFacts& cpu) {
  std::vector<int> cpus;
  for (std::size_t i = 0; i < fast_kinds(cpu); ++i)
    cpus.insert(cpus.end(), cpu.kinds[i].cpus.begin(), cpu.kinds[i].cpus.end());
  std::sort(cpus.begin(), cpus.end());
  return cpus;
}

std::string fast_names(const CpuFacts& cpu) {
  std::string names;
  for (std::size_t i = 0; i < fast_kinds(cpu); ++i)
    names += (names.empty() ? "" : ", ") + cpu.kinds[i].name.value_or("unnamed");
  return names;
}

void derive_threads(Host& host) {
  const auto& cpu = host.cpu;
  int all = cpu.online.known() ? allowed_cores(host, *cpu.online.value) : 0;
  // Overrides can know the cores without knowing the topology.
  if (all == 0 || cpu.physical_cores.basis == Basis::overridden) all = cpu.physical_cores.value_or(0);
  // --cpus can leave fewer than the topology shows.
  all = std::min(all, cpu.physical_cores.value_or(all));
  if (all <= 0) {
    host.effective.threads = unknown<int>("the number of cores is unknown; --cores supplies it");
    host.effective.prompt_threads = host.effective.threads;
    return;
  }
  host.effective.prompt_threads = limited_threads(host, all, "allowed physical cores");
  int fastest = all;
  if (cpu.kinds.size() > 1 && cpu.physical_cores.basis != Basis::overridden)
    if (const int cores = allowed_cores(host, fast_cpus(cpu)); cores > 0) fastest = std::min(cores, all);
  host.effective.threads = limited_threads(
      host, fastest,
      fastest == all
          ? "allowed physical cores"
          : fmt::format("allowed {} cores: slower ones would hold the others up", fast_names(cpu)));
}

void warn(Host& host, std::string message, std::string remedy) {
  host.warnings.push_back({std::move(message), std::move(remedy)});
}

void add_warnings(Host& host) {
  const auto& memory = host.memory;
  Bytes reserved;
  for (const auto& pool : memory.huge_pages) reserved += pool.page * pool.pages;
  if (reserved > Bytes())
    warn(host,
         fmt::format("{} are set aside as huge pages, which llama.cpp does not use", size_text(reserved)),
         "Free them with sysctl vm.nr_hugepages=0 unless another program needs them.");
  if (memory.overcommit.value_or(0) == 2)
    warn(host, "strict overcommit (vm.overcommit_memory=2) refuses allocations before memory is full",
         "Set vm.overcommit_memory=0, or raise vm.overcommit_ratio.");
  if (host.platform.wsl.value_or(false))
    warn(host, "Windows Subsystem for Linux sees half of the host's memory by default",
         "Set memory= in .wslconfig.");
  if (host.cpu.logical_online.known() && host.limits.allowed_cpus.known() &&
      host.limits.allowed_cpus.value->size() < host.cpu.online.value_or({}).size())
    warn(host,
         fmt::format("this process may use {} of {} CPUs ({})", host.limits.allowed_cpus.value->size(),
                     host.cpu.online.value->size(), host.limits.allowed_cpus.source),
         "Widen the affinity or cpuset if that is not meant.");
  if (memory.total.known() && !memory.available.known())
    warn(host, fmt::format("how much of the memory is in use is unknown ({})", memory.available.source),
         "Mount /proc, or state it with --available.");
  const auto distinct_memory = std::count_if(host.numa.begin(), host.numa.end(), [](const NumaNode& n) {
    return n.total.value_or(Bytes()) > Bytes() && !n.is_gpu();
  });
  if (distinct_memory > 1)
    warn(host,
         fmt::format("{} NUMA nodes: a model larger than one node's memory crosses the link between them",
                     distinct_memory),
         "Run llama.cpp with --numa distribute, or bind a model that fits one node with numactl.");
  if (host.limits.memory_high.known() && host.limits.memory_available.known() &&
      host.limits.bound_by.ends_with("memory.high"))
    warn(host, fmt::format("{} throttles this process before its hard limit", host.limits.bound_by),
         "Raise memory.high (systemd: MemoryHigh=).");
  if (memory.transparent_huge_pages.value_or("") == "never")
    warn(host, "transparent huge pages are off, which slows reading large models a little",
         "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");
}

}  // namespace

Fact<int> threads_on(const Host& host, int node) {
  const auto found =
      std::find_if(host.numa.begin(), host.numa.end(), [&](const NumaNode& n) { return n.id == node; });
  const int cores = found == host.numa.end() ? 0 : allowed_cores(host, found->cpus);
  if (cores == 0) return unknown<int>(fmt::format("node {} states no processors", node));
  return limited_threads(host, cores, fmt::format("allowed physical cores of node {}", node));
}

void derive_effective(Host& host) {
  derive_memory(host);
  derive_threads(host);
  derive_numa_budgets(host);
}

const std::vector<Source>& sources() {
  static const std::vector<Source> all = {
      {"topology", "online CPUs, cores and packages, from sysfs or /proc/cpuinfo", gather_cpu_topology},
      {"identity", "host name, and an id made from /etc/machine-id", gather_identity},
      {"platform", "distribution, kernel, virtual machine, container, WSL", gather_platform},
      {"processor", "model, instruction sets and kinds of cores", gather_cpu_identity},
      {"caches", "processor caches by level, each counted once", gather_cpu_caches},
      {"memory", "total, available, swap, huge pages, ZFS's cache", gather_memory},
      {"numa", "nodes with their memory, CPUs, kind and distances", gather_numa},
      {"limits", "control groups of every level, affinity, cpuset, locked memory", gather_limits},
      {"dimms", "memory modules from SMBIOS (root only)", gather_dimms},
      {"storage", "the device behind the model folder", gather_storage},
      {"nvidia", "NVIDIA GPUs through the driver's management library", gather_nvidia},
      {"sysfs_gpus", "AMD and Intel GPUs from sysfs", gather_sysfs_gpus},
      {"listed_devices", "what llama-server lists, where a GPU has no other source", gather_listed_devices},
  };
  return all;
}

Host gather(const Surroundings& surroundings) {
  Host host;
  for (const auto& source : sources()) source.gather(surroundings, host);
  derive_effective(host);
  add_warnings(host);
  return host;
}

}  // namespace llmsize::probe
