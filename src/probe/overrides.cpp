#include "llmsize/probe/overrides.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

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
    node.kind = "dram";
    if (host.memory.total.known())
      node.total = overridden(Bytes(host.memory.total.value->value() / count), "--numa: equal shares");
    host.numa.push_back(std::move(node));
  }
  host.limits.allowed_memory_nodes = unknown<std::vector<int>>("--numa");
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

void apply_overrides(Host& host, const HostOverrides& overrides) {
  override_memory(host, overrides);
  CpuFacts& cpu = host.cpu;
  set(cpu.physical_cores, overrides.cores, "--cores");
  set(cpu.logical_online, overrides.logical_cpus, "--cpus");
  set(cpu.packages, overrides.packages, "--packages");
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
}

}  // namespace llmsize::probe
