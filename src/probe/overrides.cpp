#include "llmsize/probe/overrides.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "llmsize/core/text.hpp"
#include "llmsize/probe/cpu.hpp"
#include "llmsize/probe/probe.hpp"

namespace llmsize::probe {
namespace {

constexpr double giga = 1e9;

template <class T>
void set(Fact<T>& fact, const std::optional<T>& value, const char* flag) {
  if (value) fact = overridden(*value, flag);
}
void set(Fact<int>& fact, const std::optional<std::int64_t>& value, const char* flag) {
  if (value) fact = overridden(static_cast<int>(*value), flag);
}
void set_rate(Fact<BytesPerSecond>& fact, const std::optional<double>& gigabytes, const char* flag) {
  if (gigabytes) fact = overridden(BytesPerSecond(*gigabytes * giga), flag);
}

/// A stated total keeps what is in use now in use, so that what is available follows.
void override_memory(Host& host, const HostOverrides& overrides) {
  MemoryFacts& memory = host.memory;
  if (overrides.ram) {
    if (memory.total.known() && memory.available.known()) {
      const Bytes used = std::max(Bytes(), *memory.total.value - *memory.available.value);
      memory.available = derived(std::max(Bytes(), *overrides.ram - used), "--ram less what is in use");
    }
    memory.total = overridden(*overrides.ram, "--ram");
  }
  set(memory.available, overrides.available, "--available");
  set_rate(memory.bandwidth, overrides.bandwidth_gigabytes, "--bandwidth");
  if (!overrides.memory_limit) return;
  host.limits.memory_max = overridden(*overrides.memory_limit, "--memory-limit");
  host.limits.memory_available = host.limits.memory_max;
  host.limits.bound_by = "--memory-limit";
}

/// Nodes of equal size, for a machine that only has their number.
void override_nodes(Host& host, std::int64_t count) {
  host.numa.clear();
  for (std::int64_t id = 0; id < count; ++id) {
    NumaNode node;
    node.id = static_cast<int>(id);
    node.kind = overridden(std::string("dram"), "--numa");
    if (host.memory.total.known())
      node.total = overridden(Bytes(host.memory.total.value->value() / count), "--numa: equal shares");
    host.numa.push_back(std::move(node));
  }
  host.limits.allowed_memory_nodes = unknown<std::vector<int>>("--numa");
}

/// Cores and CPUs bound each other: where one is stated, the other keeps within it.
void override_processors(CpuFacts& cpu, const HostOverrides& overrides) {
  set(cpu.physical_cores, overrides.cores, "--cores");
  set(cpu.logical_online, overrides.logical_cpus, "--cpus");
  set(cpu.packages, overrides.packages, "--packages");
  const auto cores = cpu.physical_cores.value, cpus = cpu.logical_online.value;
  if (!cores || !cpus || *cores <= *cpus) return;
  if (!overrides.logical_cpus) cpu.logical_online = assumed(*cores, "--cores: one CPU a core");
  if (!overrides.cores) cpu.physical_cores = assumed(*cpus, "--cpus: no more cores than CPUs");
}

/// What no machine can be, after all statements are applied.
Result<void> check_consistency(const Host& host, const HostOverrides& overrides) {
  const CpuFacts& cpu = host.cpu;
  const auto& total = host.memory.total;
  if (overrides.available && total.known() && *overrides.available > *total.value)
    return fail(ErrorCode::usage,
                fmt::format("--available {} is more than the machine's {}", size_text(*overrides.available),
                            size_text(*total.value)),
                "--ram states what the machine has.");
  const int cpus = cpu.logical_online.value_or(0), cores = cpu.physical_cores.value_or(0);
  if (overrides.cores && cpus > 0 && cores > cpus)
    return fail(ErrorCode::usage, fmt::format("--cores {} and --cpus {} contradict each other", cores, cpus),
                "A core is at least one CPU.");
  if (overrides.packages && cores > 0 && *overrides.packages > cores)
    return fail(ErrorCode::usage,
                fmt::format("--packages {} is more than the {} cores", *overrides.packages, cores),
                "--cores states the cores of all packages.");
  if (overrides.numa_nodes && cpus > 0 && *overrides.numa_nodes > cpus)
    return fail(ErrorCode::usage,
                fmt::format("--numa {} is more than the {} CPUs", *overrides.numa_nodes, cpus),
                "--cpus states the CPUs of all nodes.");
  return {};
}

void override_gpus(Host& host, const HostOverrides& overrides) {
  if (overrides.no_gpus || !overrides.gpus.empty()) host.gpus.clear();
  for (const auto& stated : overrides.gpus) {
    GpuFacts gpu;
    gpu.name = stated.name.empty() ? fmt::format("GPU{}", host.gpus.size()) : stated.name;
    gpu.memory_total =
        stated.memory ? overridden(*stated.memory, "--gpu") : unknown<Bytes>("--gpu names no size");
    gpu.memory_free = gpu.memory_total;
    gpu.pool_id = fmt::format("gpu{}", host.gpus.size());
    host.gpus.push_back(std::move(gpu));
  }
}

void override_storage(Host& host, const HostOverrides& overrides) {
  if (host.storage.empty() &&
      (!overrides.storage_kind.empty() || overrides.storage_free || overrides.storage_gigabytes))
    host.storage.emplace_back();
  for (auto& storage : host.storage) {
    if (!overrides.storage_kind.empty()) storage.kind = overridden(overrides.storage_kind, "--storage");
    set(storage.free, overrides.storage_free, "--storage-free");
    set_rate(storage.read_rate, overrides.storage_gigabytes, "--storage-speed");
  }
}

}  // namespace

Result<void> apply_overrides(Host& host, const HostOverrides& overrides) {
  override_memory(host, overrides);
  CpuFacts& cpu = host.cpu;
  override_processors(cpu, overrides);
  if (auto consistent = check_consistency(host, overrides); !consistent) return consistent;
  set(cpu.last_level_cache, overrides.last_level_cache, "--llc");
  if (!overrides.cpu_model.empty()) cpu.model = overridden(overrides.cpu_model, "--cpu-model");
  if (!overrides.isa.empty()) {
    auto isa = overrides.isa;
    std::sort(isa.begin(), isa.end());
    isa.erase(std::unique(isa.begin(), isa.end()), isa.end());
    const auto bits = vector_bits(isa);
    cpu.vector_bits = bits ? derived(*bits, "--isa") : unknown<int>("--isa states no width");
    cpu.isa = overridden(std::move(isa), "--isa");
  }
  set(host.limits.cpu_quota_cores, overrides.cpu_quota, "--cpu-quota");
  set(host.limits.memlock, overrides.memlock, "--memlock");
  if (overrides.numa_nodes) override_nodes(host, *overrides.numa_nodes);
  override_gpus(host, overrides);
  override_storage(host, overrides);
  derive_effective(host);
  return {};
}

}  // namespace llmsize::probe
