#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "llmsize/probe/memory.hpp"
#include "llmsize/probe/probe.hpp"
#include "llmsize/probe/text.hpp"

namespace llmsize::probe {
namespace {

constexpr const char* node_root = "/sys/devices/system/node";

std::vector<int> node_numbers(const FileReader& files) {
  if (const auto text = read_trimmed(files, fmt::format("{}/online", node_root)))
    if (const auto nodes = parse_cpu_list(*text); nodes && !nodes->empty()) {
      // The list may name nodes that the tree does not describe.
      return intersection(*nodes, numbered_entries(files, node_root, "node"));
    }
  return numbered_entries(files, node_root, "node");
}

std::vector<int> cpus_of(const FileReader& files, const std::string& folder, const std::vector<int>& online) {
  std::optional<std::vector<int>> cpus;
  if (const auto list = read_trimmed(files, folder + "/cpulist")) cpus = parse_cpu_list(*list);
  if (!cpus)
    if (const auto mask = read_trimmed(files, folder + "/cpumap")) cpus = parse_cpu_mask(*mask);
  return intersection(cpus.value_or(std::vector<int>()), online);
}

/// Kinds of the nodes that direct-access devices were turned into (the dax driver's "kmem" mode), by the bus
/// that the device hangs on: CXL regions, persistent memory, or memory that the firmware set aside.
std::map<int, std::string> dax_nodes(const FileReader& files) {
  std::map<int, std::string> kinds;
  const std::string root = "/sys/bus/dax/devices";
  const auto devices = files.list(root);
  if (!devices) return kinds;
  for (const auto& device : *devices) {
    const auto node = read_integer(files, fmt::format("{}/{}/target_node", root, device));
    if (!node || *node < 0 || *node > highest_cpu) continue;
    const std::string place = files.read_link(fmt::format("{}/{}", root, device)).value_or("");
    const bool is_cxl = place.find("dax_region") != std::string::npos ||
                        place.find("ACPI0017") != std::string::npos || place.find("cxl") != std::string::npos;
    const bool is_soft_reserved = place.find("hmem") != std::string::npos;
    kinds[static_cast<int>(*node)] = is_cxl ? "cxl" : is_soft_reserved ? "memory_only" : "pmem";
  }
  return kinds;
}

bool has_cxl_memory(const FileReader& files) {
  const auto devices = files.list("/sys/bus/cxl/devices");
  return devices && std::any_of(devices->begin(), devices->end(),
                                [](const std::string& name) { return name.starts_with("mem"); });
}

/// The bandwidth that firmware states for the nearest initiators: access1 considers processors only, access0
/// also other initiators, so the former is preferred.
Fact<BytesPerSecond> firmware_bandwidth(const FileReader& files, const std::string& folder) {
  for (const char* access : {"access1", "access0"}) {
    const std::string path = fmt::format("{}/{}/initiators/read_bandwidth", folder, access);
    constexpr double mebibytes_unit = 1024.0 * 1024;
    // A thousand times what the fastest memory of a package does; more is damage.
    constexpr std::int64_t highest = std::int64_t{1} << 33;
    if (const auto value = read_integer(files, path); value && *value > 0 && *value < highest)
      return reported(BytesPerSecond(static_cast<double>(*value) * mebibytes_unit), path);
  }
  return unknown<BytesPerSecond>("the firmware states none (HMAT)");
}

Fact<Bytes> side_cache_of(const FileReader& files, const std::string& folder) {
  const std::string root = folder + "/memory_side_cache";
  for (const int index : numbered_entries(files, root, "index")) {
    const std::string path = fmt::format("{}/index{}/size", root, index);
    if (const auto text = read_trimmed(files, path))
      if (const auto size = parse_cache_size(*text)) return reported(*size, path);
  }
  return unknown<Bytes>("none listed");
}

struct KindEvidence {
  std::set<int> gpu;
  std::map<int, std::string> dax;
  bool cxl = false;
};

Fact<std::string> kind_of(const NumaNode& node, const KindEvidence& evidence) {
  const auto kind = [](std::string name, std::string source) {
    return derived(std::move(name), std::move(source));
  };
  if (evidence.gpu.count(node.id) != 0) return kind("gpu", "/proc/driver/nvidia/gpus/*/numa_status");
  if (node.total.value_or(Bytes(1)) == Bytes()) return kind("empty", node.total.source);
  if (const auto dax = evidence.dax.find(node.id); dax != evidence.dax.end())
    return kind(dax->second, "/sys/bus/dax/devices");
  if (node.cpus.empty() && evidence.cxl) return kind("cxl", "no processors, and /sys/bus/cxl/devices");
  if (node.cpus.empty()) return kind("memory_only", "no processors");
  return node.side_cache.known() ? kind("side_cache", node.side_cache.source)
                                 : kind("dram", "processors and memory");
}

NumaNode node_of(const FileReader& files, int id, const std::vector<int>& online) {
  const std::string folder = fmt::format("{}/node{}", node_root, id);
  NumaNode node;
  node.id = id;
  node.cpus = cpus_of(files, folder, online);
  const std::string meminfo = folder + "/meminfo";
  const auto text = files.read_text(meminfo);
  const auto size = [&](const char* key) {
    const auto value = text ? parse_node_meminfo(*text, key) : std::nullopt;
    return value ? reported(*value, fmt::format("{} ({})", meminfo, key))
                 : unknown<Bytes>(fmt::format("{} has no {}", meminfo, key));
  };
  node.total = size("MemTotal");
  node.free = size("MemFree");
  node.available = text ? available_on_node(*text, meminfo) : node.free;
  if (const auto distances = read_trimmed(files, folder + "/distance"))
    for (const auto field : fields_of(*distances))
      node.distances.push_back(
          static_cast<int>(std::clamp<std::int64_t>(parse_integer(field).value_or(-1), -1, 65'535)));
  node.side_cache = side_cache_of(files, folder);
  node.read_bandwidth = firmware_bandwidth(files, folder);
  return node;
}

void warn_of_overlap(Host& host) {
  std::set<int> seen;
  for (const auto& node : host.numa)
    for (const int cpu : node.cpus)
      if (!seen.insert(cpu).second) {
        host.warnings.push_back(
            {fmt::format("CPU {} belongs to more than one NUMA node: the firmware's tables are wrong", cpu),
             "Do not bind memory to nodes on this host; update its firmware."});
        return;
      }
}

}  // namespace

void gather_numa(const Surroundings& from, Host& host) {
  const auto online = host.cpu.online.value_or({});
  const auto of_gpus = gpu_nodes(from.files);
  const KindEvidence evidence{
      {of_gpus.begin(), of_gpus.end()}, dax_nodes(from.files), has_cxl_memory(from.files)};
  for (const int id : node_numbers(from.files)) {
    NumaNode node = node_of(from.files, id, online);
    node.kind = kind_of(node, evidence);
    host.numa.push_back(std::move(node));
  }
  warn_of_overlap(host);
  if (!host.numa.empty()) return;
  // A kernel without NUMA support is one node.
  NumaNode all;
  all.cpus = online;
  all.total = host.memory.total;
  all.free = unknown<Bytes>("no NUMA nodes listed");
  all.available = host.memory.available;
  all.kind = assumed(std::string("dram"), "no NUMA nodes listed");
  host.numa.push_back(std::move(all));
}

}  // namespace llmsize::probe
