#include "llmsize/probe/memory.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "llmsize/probe/probe.hpp"
#include "llmsize/probe/text.hpp"

namespace llmsize::probe {
namespace {

constexpr const char* meminfo_path = "/proc/meminfo";
constexpr const char* node_root = "/sys/devices/system/node";
constexpr const char* hugepages_root = "/sys/kernel/mm/hugepages";

/// What `read` finds in the meminfo of GPUs' NUMA nodes, together: a driver can add GPU memory as nodes, and
/// the kernel then counts it as RAM (POWER9 with V100).
template <class Read>
Bytes sum_of_gpu_nodes(const FileReader& files, Read read) {
  Bytes sum;
  for (const int node : gpu_nodes(files))
    if (const auto text = files.read_text(fmt::format("{}/node{}/meminfo", node_root, node)))
      sum += read(*text).value_or(Bytes());
  return sum;
}

/// The sum over NUMA nodes of what `read` finds in a node's meminfo, for where /proc/meminfo cannot be read.
template <class Read>
std::optional<Bytes> sum_of_nodes(const FileReader& files, Read read) {
  const auto of_gpus = gpu_nodes(files);
  std::optional<Bytes> sum;
  for (const int node : numbered_entries(files, node_root, "node")) {
    if (std::binary_search(of_gpus.begin(), of_gpus.end(), node)) continue;
    const auto text = files.read_text(fmt::format("{}/node{}/meminfo", node_root, node));
    const std::optional<Bytes> part = text ? read(*text) : std::nullopt;
    if (part) sum = sum.value_or(Bytes()) + *part;
  }
  return sum && !sum->is_saturated() ? sum : std::nullopt;
}

Fact<Bytes> total_memory(const Surroundings& from, const Meminfo& meminfo) {
  if (!meminfo.total) {
    if (const auto bytes = sum_of_nodes(
            from.files, [](const std::string& text) { return parse_node_meminfo(text, "MemTotal"); }))
      return derived(*bytes, fmt::format("{}/node*/meminfo (MemTotal)", node_root));
    if (from.system != nullptr)
      if (const auto bytes = from.system->physical_memory())
        return measured(*bytes, "sysconf(_SC_PHYS_PAGES)");
    return unknown<Bytes>(fmt::format("{} has no MemTotal", meminfo_path));
  }
  const Bytes of_gpus = sum_of_gpu_nodes(
      from.files, [](const std::string& text) { return parse_node_meminfo(text, "MemTotal"); });
  if (of_gpus == Bytes() || of_gpus >= *meminfo.total)
    return reported(*meminfo.total, fmt::format("{} (MemTotal)", meminfo_path));
  return derived(*meminfo.total - of_gpus,
                 fmt::format("{} (MemTotal) less the NUMA nodes of GPUs", meminfo_path));
}

void gather_huge_pages(const FileReader& files, MemoryFacts& memory) {
  const auto names = files.list(hugepages_root);
  if (!names) return;
  for (const auto& name : *names) {
    constexpr std::string_view prefix = "hugepages-", suffix = "kB";
    if (!name.starts_with(prefix) || !name.ends_with(suffix)) continue;
    const auto kibibytes_each = parse_integer(
        std::string_view(name).substr(prefix.size(), name.size() - prefix.size() - suffix.size()));
    const std::string folder = fmt::format("{}/{}", hugepages_root, name);
    const auto pages = read_integer(files, folder + "/nr_hugepages");
    if (!kibibytes_each || *kibibytes_each <= 0 || !pages || *pages <= 0) continue;
    memory.huge_pages.push_back({kibibytes(1) * *kibibytes_each, *pages,
                                 read_integer(files, folder + "/free_hugepages").value_or(0)});
  }
}

/// The word in brackets: "always [madvise] never".
Fact<std::string> transparent_huge_pages(const FileReader& files) {
  const std::string path = "/sys/kernel/mm/transparent_hugepage/enabled";
  const auto text = read_trimmed(files, path);
  if (!text) return unknown<std::string>(path + " could not be read");
  const auto open = text->find('['), close = text->find(']');
  if (open == std::string::npos || close == std::string::npos || close < open)
    return unknown<std::string>(path + " marks no mode");
  return reported(text->substr(open + 1, close - open - 1), path);
}

void add_arc(const FileReader& files, MemoryFacts& memory) {
  const std::string path = "/proc/spl/kstat/zfs/arcstats";
  const auto text = files.read_text(path);
  if (!text) return;
  const auto reclaimable = parse_arc_reclaimable(*text);
  if (!reclaimable) return;
  memory.arc_reclaimable = derived(*reclaimable, fmt::format("{} (size - c_min)", path));
  if (!memory.available.known()) return;
  const Bytes sum = *memory.available.value + *reclaimable;
  memory.available =
      derived(std::min(sum, memory.total.value_or(sum)),
              fmt::format("{}, plus ZFS's cache above its minimum ({})", memory.available.source, path));
}

}  // namespace

Meminfo parse_meminfo(std::string_view text) {
  const auto values = parse_colon_lines(text);
  const auto bytes = [&](const char* key) {
    const auto found = values.find(key);
    return found == values.end() ? std::nullopt : parse_kibibytes(found->second);
  };
  return {bytes("MemTotal"),     bytes("MemAvailable"), bytes("MemFree"),   bytes("Buffers"), bytes("Cached"),
          bytes("SReclaimable"), bytes("Shmem"),        bytes("SwapTotal"), bytes("SwapFree")};
}

Fact<Bytes> available_memory(const Meminfo& m) {
  if (m.available && (!m.total || *m.available < *m.total))
    return reported(*m.available, fmt::format("{} (MemAvailable)", meminfo_path));
  if (!m.free) return unknown<Bytes>(fmt::format("{} has neither MemAvailable nor MemFree", meminfo_path));
  const auto or_none = [](const std::optional<Bytes>& size) { return size.value_or(Bytes()); };
  const Bytes sum =
      *m.free + or_none(m.buffers) + or_none(m.cached) + or_none(m.reclaimable_slab) - or_none(m.shared);
  return derived(std::clamp(sum, Bytes(), std::max(Bytes(), m.total.value_or(sum))),
                 fmt::format("{} (MemFree + Buffers + Cached + SReclaimable - Shmem)", meminfo_path));
}

std::optional<Bytes> parse_arc_reclaimable(std::string_view arcstats) {
  std::optional<std::int64_t> size, minimum;
  for (const auto line : lines_of(arcstats)) {
    const auto fields = fields_of(line);
    if (fields.size() != 3) continue;
    if (fields[0] == "size") size = parse_integer(fields[2]);
    if (fields[0] == "c_min") minimum = parse_integer(fields[2]);
  }
  if (!size || !minimum || *size < 0 || *minimum < 0) return std::nullopt;
  return Bytes(std::max<std::int64_t>(0, *size - *minimum));
}

std::optional<int> parse_gpu_node(std::string_view numa_status) {
  const auto values = parse_colon_lines(numa_status);
  const auto node = values.find("Node"), status = values.find("Status");
  if (node == values.end() || status == values.end() || status->second != "online") return std::nullopt;
  const auto number = parse_integer(node->second);
  if (!number || *number < 0 || *number > highest_cpu) return std::nullopt;
  return static_cast<int>(*number);
}

std::vector<int> gpu_nodes(const FileReader& files) {
  const std::string root = "/proc/driver/nvidia/gpus";
  std::vector<int> nodes;
  const auto gpus = files.list(root);
  if (!gpus) return nodes;
  for (const auto& gpu : *gpus)
    if (const auto text = files.read_text(fmt::format("{}/{}/numa_status", root, gpu)))
      if (const auto node = parse_gpu_node(*text)) nodes.push_back(*node);
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  return nodes;
}

std::optional<Bytes> parse_node_meminfo(std::string_view text, std::string_view key) {
  // "Node 0 MemTotal:       16775084 kB"
  for (const auto line : lines_of(text)) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const auto words = fields_of(line.substr(0, colon));
    if (!words.empty() && words.back() == key) return parse_kibibytes(line.substr(colon + 1));
  }
  return std::nullopt;
}

Fact<Bytes> available_on_node(std::string_view text, const std::string& path) {
  const auto value = [&](const char* key) { return parse_node_meminfo(text, key); };
  const auto free = value("MemFree"), total = value("MemTotal");
  if (!free) return unknown<Bytes>(path + " has no MemFree");
  const auto or_none = [](const std::optional<Bytes>& size) { return size.value_or(Bytes()); };
  const Bytes sum =
      *free + or_none(value("FilePages")) + or_none(value("SReclaimable")) - or_none(value("Shmem"));
  return derived(std::clamp(sum, Bytes(), std::max(Bytes(), total.value_or(sum))),
                 fmt::format("{} (MemFree + FilePages + SReclaimable - Shmem)", path));
}

void gather_memory(const Surroundings& from, Host& host) {
  const auto text = from.files.read_text(meminfo_path);
  const Meminfo meminfo = text ? parse_meminfo(*text) : Meminfo();
  MemoryFacts& memory = host.memory;
  memory.total = total_memory(from, meminfo);
  memory.available = available_memory(meminfo);
  const Bytes free_on_gpus = sum_of_gpu_nodes(
      from.files, [](const std::string& of_node) { return available_on_node(of_node, node_root).value; });
  if (memory.available.known() && free_on_gpus > Bytes())
    memory.available = derived(std::max(Bytes(), *memory.available.value - free_on_gpus),
                               memory.available.source + ", less what is free on the GPUs' nodes");
  if (!memory.available.known())
    if (const auto bytes = sum_of_nodes(from.files, [](const std::string& of_node) {
          return available_on_node(of_node, node_root).value;
        }))
      memory.available = derived(
          *bytes, fmt::format("{}/node*/meminfo (MemFree + FilePages + SReclaimable - Shmem)", node_root));
  const auto meminfo_fact = [&](const std::optional<Bytes>& value, const char* key) {
    return value ? reported(*value, fmt::format("{} ({})", meminfo_path, key))
                 : unknown<Bytes>(fmt::format("{} has no {}", meminfo_path, key));
  };
  memory.swap_total = meminfo_fact(meminfo.swap_total, "SwapTotal");
  memory.swap_free = meminfo_fact(meminfo.swap_free, "SwapFree");
  gather_huge_pages(from.files, memory);
  memory.transparent_huge_pages = transparent_huge_pages(from.files);
  const std::string overcommit_path = "/proc/sys/vm/overcommit_memory";
  const auto overcommit = read_integer(from.files, overcommit_path);
  memory.overcommit = overcommit && *overcommit >= 0 && *overcommit <= 2
                          ? reported(static_cast<int>(*overcommit), overcommit_path)
                          : unknown<int>(overcommit_path + " could not be read");
  add_arc(from.files, memory);
}

}  // namespace llmsize::probe
