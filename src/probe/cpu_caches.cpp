#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "llmsize/core/text.hpp"
#include "llmsize/probe/cpu.hpp"
#include "llmsize/probe/probe.hpp"
#include "llmsize/probe/text.hpp"

namespace llmsize::probe {
namespace {

constexpr const char* source = "/sys/devices/system/cpu/cpu*/cache";
/// Processors have three or four levels; more is damage.
constexpr std::int64_t highest_level = 8;

/// One cache: the CPUs that share it, and its size where stated.
struct Instance {
  std::vector<int> cpus;
  std::optional<Bytes> size;
};
/// By level and type ("Data" before "Instruction" before "Unified").
using CachesByKind = std::map<std::pair<int, std::string>, std::vector<Instance>>;

/// Which CPUs share the cache; only the CPU itself where the file is missing.
std::vector<int> sharing_cpus(const FileReader& files, const std::string& folder, int cpu,
                              const std::vector<int>& online) {
  std::optional<std::vector<int>> cpus;
  if (const auto list = read_trimmed(files, folder + "/shared_cpu_list")) cpus = parse_cpu_list(*list);
  if (!cpus || cpus->empty())
    if (const auto mask = read_trimmed(files, folder + "/shared_cpu_map")) cpus = parse_cpu_mask(*mask);
  auto running = intersection(cpus.value_or(std::vector<int>()), online);
  return running.empty() ? std::vector<int>{cpu} : running;
}

void add_caches_of(const FileReader& files, int cpu, const std::vector<int>& online, CachesByKind& caches) {
  const std::string root = cpu_folder(cpu) + "/cache";
  for (const int index : numbered_entries(files, root, "index")) {
    const std::string folder = fmt::format("{}/index{}", root, index);
    const auto level = read_integer(files, folder + "/level");
    const auto type = read_trimmed(files, folder + "/type");
    if (!level || *level < 1 || *level > highest_level || !type || type->empty()) continue;
    auto& instances = caches[{static_cast<int>(*level), lower_case(*type)}];
    const bool known = std::any_of(instances.begin(), instances.end(), [&](const Instance& instance) {
      return std::binary_search(instance.cpus.begin(), instance.cpus.end(), cpu);
    });
    if (known) continue;
    const auto size = read_trimmed(files, folder + "/size");
    instances.push_back(
        {sharing_cpus(files, folder, cpu, online), size ? parse_cache_size(*size) : std::nullopt});
  }
}

CpuCache summary(int level, const std::string& type, const std::vector<Instance>& instances) {
  CpuCache cache{level, type, unknown<Bytes>("the system does not state the size"),
                 static_cast<int>(instances.size())};
  for (const auto& instance : instances)
    if (instance.size && (!cache.size.known() || *instance.size > *cache.size.value))
      cache.size = reported(*instance.size, std::string(source));
  return cache;
}

/// All instances of the last level together; unknown as soon as one does not state its size.
Fact<Bytes> last_level_total(const std::vector<Instance>& instances) {
  Bytes total;
  for (const auto& instance : instances) {
    if (!instance.size) return unknown<Bytes>("the system does not state the size");
    total += *instance.size;
  }
  return derived(total, fmt::format("{} (sum of the last level)", source));
}

/// One chip can carry several package numbers (phones number their clusters), but packages never share a
/// cache.
void merge_packages(const FileReader& files, const std::vector<Instance>& last_level, Host& host) {
  if (host.cpu.packages.value_or(0) < 2) return;
  std::map<int, std::int64_t> package;
  for (const int cpu : *host.cpu.online.value)
    package[cpu] = read_integer(files, cpu_folder(cpu) + "/topology/physical_package_id").value_or(-1);
  std::set<std::int64_t> seen;
  int packages = 0;
  for (const auto& instance : last_level) {
    std::set<std::int64_t> ids;
    for (const int cpu : instance.cpus) ids.insert(package[cpu]);
    const bool fresh =
        std::none_of(ids.begin(), ids.end(), [&](std::int64_t id) { return seen.count(id) != 0; });
    packages += fresh ? 1 : 0;
    seen.insert(ids.begin(), ids.end());
  }
  if (packages > 0 && packages < *host.cpu.packages.value)
    host.cpu.packages =
        derived(packages, fmt::format("{}; those that share a cache are one", host.cpu.packages.source));
}

}  // namespace

void gather_cpu_caches(const Surroundings& from, Host& host) {
  host.cpu.last_level_cache = unknown<Bytes>(fmt::format("{} lists none", source));
  if (!host.cpu.online.known()) return;
  const auto& online = *host.cpu.online.value;
  CachesByKind caches;
  for (const int cpu : online) add_caches_of(from.files, cpu, online, caches);
  for (const auto& [key, instances] : caches)
    host.cpu.caches.push_back(summary(key.first, key.second, instances));
  if (caches.empty()) return;
  const auto& last = caches.rbegin()->second;
  host.cpu.last_level_cache = last_level_total(last);
  merge_packages(from.files, last, host);
}

}  // namespace llmsize::probe
