#include <cmath>

#include <nlohmann/json.hpp>

#include "llmsize/render/host.hpp"

namespace llmsize::render {
namespace {

using Json = nlohmann::ordered_json;

Json plain(Bytes size) {
  return size.value();
}
Json plain(BytesPerSecond rate) {
  return std::llround(rate.per_second());
}
template <class T>
Json plain(const T& value) {
  return value;
}

/// An object whose facts state their basis in a sibling object.
class FactObject {
 public:
  template <class T>
  FactObject& add(const char* key, const Fact<T>& fact) {
    object_[key] = fact.known() ? plain(*fact.value) : Json();
    if (!fact.source.empty()) basis_[key] = {{"basis", basis_name(fact.basis)}, {"source", fact.source}};
    return *this;
  }
  FactObject& set(const char* key, Json value) {
    object_[key] = std::move(value);
    return *this;
  }
  [[nodiscard]] Json done() {
    if (!basis_.empty()) object_["basis"] = std::move(basis_);
    return std::move(object_);
  }

 private:
  Json object_ = Json::object();
  Json basis_ = Json::object();
};

Json memory_json(const MemoryFacts& memory) {
  Json pools = Json::array();
  for (const auto& pool : memory.huge_pages)
    pools.push_back(
        {{"page_bytes", pool.page.value()}, {"pages", pool.pages}, {"free_pages", pool.free_pages}});
  return FactObject()
      .add("total_bytes", memory.total)
      .add("available_bytes", memory.available)
      .add("bandwidth_bytes_per_second", memory.bandwidth)
      .add("swap_total_bytes", memory.swap_total)
      .add("swap_free_bytes", memory.swap_free)
      .add("arc_reclaimable_bytes", memory.arc_reclaimable)
      .set("huge_pages", std::move(pools))
      .add("transparent_huge_pages", memory.transparent_huge_pages)
      .add("overcommit", memory.overcommit)
      .done();
}

Json limits_json(const LimitFacts& limits) {
  return FactObject()
      .add("memory_max_bytes", limits.memory_max)
      .add("memory_high_bytes", limits.memory_high)
      .add("memory_available_bytes", limits.memory_available)
      .set("bound_by", limits.bound_by.empty() ? Json() : Json(limits.bound_by))
      .add("cpu_quota_cores", limits.cpu_quota_cores)
      .add("allowed_cpus", limits.allowed_cpus)
      .add("allowed_mems", limits.allowed_memory_nodes)
      .add("memlock_bytes", limits.memlock)
      .done();
}

Json cpu_json(const CpuFacts& cpu) {
  Json kinds = Json::array();
  for (const auto& kind : cpu.kinds)
    kinds.push_back(FactObject()
                        .set("name", kind.name)
                        .set("cores", kind.cores)
                        .set("threads_per_core", kind.threads_per_core)
                        .add("max_mhz", kind.max_megahertz)
                        .set("cpus", kind.cpus)
                        .done());
  Json caches = Json::array();
  for (const auto& cache : cpu.caches)
    caches.push_back(FactObject()
                         .set("level", cache.level)
                         .set("type", cache.type)
                         .add("size_bytes", cache.size)
                         .set("instances", cache.instances)
                         .done());
  return FactObject()
      .add("model", cpu.model)
      .add("logical_online", cpu.logical_online)
      .add("physical_cores", cpu.physical_cores)
      .add("packages", cpu.packages)
      .add("online", cpu.online)
      .set("cores", cpu.cores)
      .set("kinds", std::move(kinds))
      .add("isa", cpu.isa)
      .set("avx512", cpu.isa.known() ? Json(cpu.has_isa("avx512f")) : Json())
      .set("avx512_flags", cpu.avx512_flags())
      .add("vector_bits", cpu.vector_bits)
      .set("caches", std::move(caches))
      .add("llc_bytes", cpu.last_level_cache)
      .done();
}

Json numa_json(const std::vector<NumaNode>& numa) {
  Json nodes = Json::array();
  for (const auto& node : numa)
    nodes.push_back(FactObject()
                        .set("id", node.id)
                        .set("cpus", node.cpus)
                        .add("total_bytes", node.total)
                        .add("free_bytes", node.free)
                        .set("kind", node.kind)
                        .set("distance", node.distances)
                        .add("side_cache_bytes", node.side_cache)
                        .add("bandwidth_bytes_per_second", node.read_bandwidth)
                        .done());
  return {{"node_count", numa.size()}, {"nodes", std::move(nodes)}};
}

Json storage_json(const std::vector<StorageFacts>& storage) {
  Json array = Json::array();
  for (const auto& item : storage)
    array.push_back(FactObject()
                        .set("path", item.path)
                        .add("filesystem", item.filesystem)
                        .add("device", item.device)
                        .add("kind", item.kind)
                        .add("free_bytes", item.free)
                        .add("read_bytes_per_second", item.read_rate)
                        .done());
  return array;
}

Json gpus_json(const std::vector<GpuFacts>& gpus) {
  Json array = Json::array();
  for (const auto& gpu : gpus)
    array.push_back(FactObject()
                        .set("name", gpu.name)
                        .set("vendor", gpu.vendor)
                        .set("id", gpu.id)
                        .add("memory_total_bytes", gpu.memory_total)
                        .add("memory_free_bytes", gpu.memory_free)
                        .set("unified", gpu.unified)
                        .set("pool_id", gpu.pool_id)
                        .add("bandwidth_bytes_per_second", gpu.bandwidth)
                        .add("backend", gpu.backend)
                        .done());
  return array;
}

Json dimms_json(const std::vector<Dimm>& dimms) {
  Json array = Json::array();
  for (const auto& dimm : dimms)
    array.push_back({{"locator", dimm.locator},
                     {"size_bytes", dimm.size.value()},
                     {"mega_transfers_per_second",
                      dimm.mega_transfers_per_second > 0 ? Json(dimm.mega_transfers_per_second) : Json()},
                     {"channel", dimm.channel >= 0 ? Json(dimm.channel) : Json()}});
  return array;
}

Json benchmarks_json(const std::vector<BenchmarkResult>& results) {
  Json object = Json::object();
  for (const auto& result : results)
    object[result.name].push_back({{"detail", result.detail},
                                   {"threads", result.threads},
                                   {"unit", result.unit},
                                   {"median", result.median},
                                   {"spread", result.spread},
                                   {"repetitions", result.repetitions},
                                   {"confidence", result.confidence}});
  return object;
}

Json tier_json(const std::optional<Tier>& tier) {
  if (!tier) return {{"id", nullptr}, {"name", nullptr}, {"advice", nullptr}, {"note", nullptr}};
  return {{"id", tier->rule.id},
          {"name", tier->rule.name},
          {"advice", tier->rule.advice},
          {"whole_gib", tier->whole_gib},
          {"note", tier->note.empty() ? Json() : Json(tier->note)}};
}

}  // namespace

std::string host_json(const Host& host, const std::optional<Tier>& tier) {
  Json warnings = Json::array();
  for (const auto& warning : host.warnings)
    warnings.push_back({{"message", warning.message}, {"remedy", warning.remedy}});
  const auto& platform = host.platform;
  Json document = {
      {"schema", "llmsize.probe/1"},
      {"memory", memory_json(host.memory)},
      {"limits", limits_json(host.limits)},
      {"cpu", cpu_json(host.cpu)},
      {"numa", numa_json(host.numa)},
      {"storage", storage_json(host.storage)},
      {"gpus", gpus_json(host.gpus)},
      {"dimms", dimms_json(host.dimms)},
      {"platform", FactObject()
                       .add("os", platform.os)
                       .add("kernel", platform.kernel)
                       .add("machine", platform.machine)
                       .add("virtualization", platform.virtualization)
                       .add("container", platform.container)
                       .add("wsl", platform.wsl)
                       .done()},
      {"benchmarks", benchmarks_json(host.benchmarks)},
      {"tier", tier_json(tier)},
      {"effective",
       FactObject()
           .add("memory_bytes", host.effective.memory)
           .add("threads", host.effective.threads)
           .add("prompt_threads", host.effective.prompt_threads)
           .set("bound_by", host.effective.bound_by.empty() ? Json() : Json(host.effective.bound_by))
           .done()},
      {"warnings", std::move(warnings)}};
  // A name from firmware need not be valid UTF-8.
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace llmsize::render
