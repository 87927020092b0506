#pragma once
#include "llmsize/core/host.hpp"

// The keys of llmsize.probe/1, once: a writer and a reader both visit this list. A visitor has `fact`,
// `text`, `text_or_null`, `number`, `number_or_null`, `size`, `flag`, `numbers`, `lists`, `each` (an array of
// objects) and `object`.
namespace llmsize::render {

constexpr std::int64_t highest_cpu_number = 32'767;

template <class Visitor>
void describe(Visitor& v, IdentityFacts& identity) {
  v.fact("host_name", identity.host_name);
  v.fact("machine_id", identity.machine_id);
}

template <class Visitor>
void describe(Visitor& v, HugePagePool& pool) {
  v.size("page_bytes", pool.page);
  v.number("pages", pool.pages, Bytes::highest);
  v.number("free_pages", pool.free_pages, Bytes::highest);
}

template <class Visitor>
void describe(Visitor& v, MemoryFacts& memory) {
  v.fact("total_bytes", memory.total);
  v.fact("available_bytes", memory.available);
  v.fact("bandwidth_bytes_per_second", memory.bandwidth);
  v.fact("measured_bandwidth_bytes_per_second", memory.measured_bandwidth);
  v.fact("swap_total_bytes", memory.swap_total);
  v.fact("swap_free_bytes", memory.swap_free);
  v.fact("arc_reclaimable_bytes", memory.arc_reclaimable);
  v.each("huge_pages", memory.huge_pages);
  v.fact("transparent_huge_pages", memory.transparent_huge_pages);
  v.fact("overcommit", memory.overcommit);
}

template <class Visitor>
void describe(Visitor& v, LimitFacts& limits) {
  v.fact("memory_max_bytes", limits.memory_max);
  v.fact("memory_high_bytes", limits.memory_high);
  v.fact("memory_available_bytes", limits.memory_available);
  v.text_or_null("bound_by", limits.bound_by);
  v.fact("cpu_quota_cores", limits.cpu_quota_cores);
  v.fact("allowed_cpus", limits.allowed_cpus);
  v.fact("allowed_mems", limits.allowed_memory_nodes);
  v.fact("memlock_bytes", limits.memlock);
}

template <class Visitor>
void describe(Visitor& v, CpuKind& kind) {
  v.fact("name", kind.name);
  v.number("cores", kind.cores, highest_cpu_number);
  v.number("threads_per_core", kind.threads_per_core, highest_cpu_number);
  v.fact("max_mhz", kind.max_megahertz);
  v.numbers("cpus", kind.cpus);
}

template <class Visitor>
void describe(Visitor& v, CpuCache& cache) {
  constexpr std::int64_t highest_level = 8;
  v.number("level", cache.level, highest_level);
  v.text("type", cache.type);
  v.fact("size_bytes", cache.size);
  v.number("instances", cache.instances, highest_cpu_number);
}

template <class Visitor>
void describe(Visitor& v, CpuFacts& cpu) {
  v.fact("model", cpu.model);
  v.fact("logical_online", cpu.logical_online);
  v.fact("physical_cores", cpu.physical_cores);
  v.fact("packages", cpu.packages);
  v.fact("online", cpu.online);
  v.lists("cores", cpu.cores);
  v.each("kinds", cpu.kinds);
  v.fact("isa", cpu.isa);
  v.fact("vector_bits", cpu.vector_bits);
  v.each("caches", cpu.caches);
  v.fact("llc_bytes", cpu.last_level_cache);
}

template <class Visitor>
void describe(Visitor& v, NumaNode& node) {
  v.number("id", node.id, highest_cpu_number);
  v.numbers("cpus", node.cpus);
  v.fact("total_bytes", node.total);
  v.fact("free_bytes", node.free);
  v.fact("available_bytes", node.available);
  v.fact("kind", node.kind);
  v.numbers("distance", node.distances);
  v.fact("side_cache_bytes", node.side_cache);
  v.fact("bandwidth_bytes_per_second", node.read_bandwidth);
}

template <class Visitor>
void describe(Visitor& v, NumaBudgets& budgets) {
  v.fact("bind_bytes", budgets.bind);
  v.number_or_null("bind_node", budgets.bind_node, -1, highest_cpu_number);
  v.fact("bind_threads", budgets.bind_threads);
  v.fact("interleave_bytes", budgets.interleave);
  v.fact("replicate_bytes", budgets.replicate);
}

template <class Visitor>
void describe(Visitor& v, StorageFacts& storage) {
  v.text("path", storage.path);
  v.fact("filesystem", storage.filesystem);
  v.fact("device", storage.device);
  v.fact("kind", storage.kind);
  v.fact("free_bytes", storage.free);
  v.fact("read_bytes_per_second", storage.read_rate);
}

template <class Visitor>
void describe(Visitor& v, GpuFacts& gpu) {
  v.text("name", gpu.name);
  v.text("vendor", gpu.vendor);
  v.text("id", gpu.id);
  v.fact("memory_total_bytes", gpu.memory_total);
  v.fact("memory_free_bytes", gpu.memory_free);
  v.flag("unified", gpu.unified);
  v.text("pool_id", gpu.pool_id);
  v.fact("bandwidth_bytes_per_second", gpu.bandwidth);
  v.fact("fp32_tflops", gpu.fp32_tflops);
  v.fact("fp16_tflops", gpu.fp16_tflops);
  v.fact("backend", gpu.backend);
}

template <class Visitor>
void describe(Visitor& v, Dimm& dimm) {
  v.text("locator", dimm.locator);
  v.fact("size_bytes", dimm.size);
  v.fact("mega_transfers_per_second", dimm.mega_transfers_per_second);
  v.fact("channel", dimm.channel);
}

template <class Visitor>
void describe(Visitor& v, PlatformFacts& platform) {
  v.fact("os", platform.os);
  v.fact("kernel", platform.kernel);
  v.fact("machine", platform.machine);
  v.fact("virtualization", platform.virtualization);
  v.fact("container", platform.container);
  v.fact("wsl", platform.wsl);
}

template <class Visitor>
void describe(Visitor& v, EffectiveFacts& effective) {
  v.fact("memory_bytes", effective.memory);
  v.fact("threads", effective.threads);
  v.fact("prompt_threads", effective.prompt_threads);
  v.text_or_null("bound_by", effective.bound_by);
}

template <class Visitor>
void describe(Visitor& v, HostWarning& warning) {
  v.text("message", warning.message);
  v.text("remedy", warning.remedy);
}

/// One measurement; the document groups them by name.
template <class Visitor>
void describe(Visitor& v, BenchmarkResult& result) {
  v.text("detail", result.detail);
  v.number("threads", result.threads, highest_cpu_number);
  v.text("unit", result.unit);
  v.rate("median", result.median);
  v.rate("spread", result.spread);
  v.rates("repetitions", result.repetitions);
  v.text("confidence", result.confidence);
}

}  // namespace llmsize::render
