#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include "llmsize/probe/cpu.hpp"
#include "llmsize/probe/probe.hpp"
#include "llmsize/probe/text.hpp"

namespace llmsize::probe {
namespace {

constexpr const char* cpu_root = "/sys/devices/system/cpu";

/// CPUs by their folders, for kernels that list none: one that can be turned off says whether it is.
std::vector<int> cpus_with_folders(const FileReader& files) {
  auto cpus = numbered_entries(files, cpu_root, "cpu");
  cpus.erase(std::remove_if(
                 cpus.begin(), cpus.end(),
                 [&](int cpu) { return read_integer(files, cpu_folder(cpu) + "/online").value_or(1) == 0; }),
             cpus.end());
  return cpus;
}

/// CPUs that are running, by the best source there is. cpu0 may be among the missing, so nothing here counts
/// up to a first gap.
Fact<std::vector<int>> online_cpus(const Surroundings& from) {
  const std::string path = fmt::format("{}/online", cpu_root);
  if (const auto text = read_trimmed(from.files, path))
    if (auto cpus = parse_cpu_list(*text); cpus && !cpus->empty()) {
      // A list may name more CPUs than the machine has folders for.
      auto described = intersection(*cpus, numbered_entries(from.files, cpu_root, "cpu"));
      return reported(described.empty() ? std::move(*cpus) : std::move(described), path);
    }
  if (auto cpus = cpus_with_folders(from.files); !cpus.empty())
    return derived(std::move(cpus), fmt::format("{}/cpu*/online", cpu_root));
  if (const auto text = from.files.read_text("/proc/cpuinfo")) {
    std::set<int> cpus;
    for (const auto& processor : parse_cpuinfo(*text).processors) cpus.insert(processor.number);
    if (!cpus.empty()) return reported(std::vector<int>(cpus.begin(), cpus.end()), "/proc/cpuinfo");
  }
  if (from.system != nullptr)
    if (auto cpus = from.system->affinity()) return measured(std::move(*cpus), "sched_getaffinity");
  return unknown<std::vector<int>>(fmt::format("neither {} nor /proc/cpuinfo could be read", path));
}

/// The CPUs that share a core with `cpu`, and the file that says so.
std::optional<std::pair<std::vector<int>, std::string>> core_siblings(const FileReader& files, int cpu) {
  for (const char* name : {"core_cpus_list", "thread_siblings_list", "thread_siblings"}) {
    const std::string path = fmt::format("{}/topology/{}", cpu_folder(cpu), name);
    const auto text = read_trimmed(files, path);
    if (!text) continue;
    const bool is_mask = std::string_view(name) == "thread_siblings";
    if (auto cpus = is_mask ? parse_cpu_mask(*text) : parse_cpu_list(*text))
      return std::pair(std::move(*cpus), name);
  }
  return std::nullopt;
}

/// Cores by /proc/cpuinfo's "physical id" and "core id", where sysfs has no topology.
std::vector<CoreCpus> cores_of_cpuinfo(const FileReader& files, const std::vector<int>& online) {
  const auto text = files.read_text("/proc/cpuinfo");
  if (!text) return {};
  std::map<std::pair<std::string, std::string>, CoreCpus> cores;
  for (const auto& processor : parse_cpuinfo(*text).processors) {
    const auto core = processor.values.find("core id");
    if (core == processor.values.end()) return {};
    if (!std::binary_search(online.begin(), online.end(), processor.number)) continue;
    const auto package = processor.values.find("physical id");
    cores[{package == processor.values.end() ? "" : package->second, core->second}].push_back(
        processor.number);
  }
  std::vector<CoreCpus> result;
  for (auto& [key, cpus] : cores) result.push_back(std::move(cpus));
  return result;
}

void gather_cores(const Surroundings& from, CpuFacts& cpu) {
  const auto& online = *cpu.online.value;
  std::set<CoreCpus> cores;
  std::string source;
  for (const int number : online) {
    const auto siblings = core_siblings(from.files, number);
    if (!siblings) continue;
    auto running = intersection(siblings->first, online);
    if (running.empty()) running = {number};
    cores.insert(std::move(running));
    source = fmt::format("{}/cpu*/topology/{}", cpu_root, siblings->second);
  }
  cpu.cores.assign(cores.begin(), cores.end());
  if (cpu.cores.empty()) {
    cpu.cores = cores_of_cpuinfo(from.files, online);
    source = "/proc/cpuinfo (physical id and core id)";
  }
  if (!cpu.cores.empty()) {
    cpu.physical_cores = derived(static_cast<int>(cpu.cores.size()), source);
    return;
  }
  for (const int number : online) cpu.cores.push_back({number});
  cpu.physical_cores =
      assumed(static_cast<int>(online.size()), "no topology: each logical CPU taken for a core");
}

void gather_packages(const FileReader& files, CpuFacts& cpu) {
  const std::string source = fmt::format("{}/cpu*/topology/physical_package_id", cpu_root);
  std::set<std::int64_t> packages;
  for (const int number : *cpu.online.value)
    if (const auto id = read_integer(files, cpu_folder(number) + "/topology/physical_package_id"))
      packages.insert(*id);
  // Firmware that does not number its packages says -1.
  packages.erase(-1);
  if (!packages.empty()) {
    cpu.packages = reported(static_cast<int>(packages.size()), source);
    return;
  }
  std::set<std::string> physical_ids;
  if (const auto text = files.read_text("/proc/cpuinfo"))
    for (const auto& processor : parse_cpuinfo(*text).processors)
      if (const auto id = processor.values.find("physical id"); id != processor.values.end())
        physical_ids.insert(id->second);
  cpu.packages = physical_ids.empty()
                     ? unknown<int>(fmt::format("{} does not say", source))
                     : reported(static_cast<int>(physical_ids.size()), "/proc/cpuinfo (physical id)");
}

}  // namespace

std::string cpu_folder(int cpu) {
  return fmt::format("{}/cpu{}", cpu_root, cpu);
}

void gather_cpu_topology(const Surroundings& from, Host& host) {
  CpuFacts& cpu = host.cpu;
  cpu.online = online_cpus(from);
  if (!cpu.online.known()) {
    cpu.logical_online = unknown<int>(cpu.online.source);
    cpu.physical_cores = unknown<int>(cpu.online.source);
    cpu.packages = unknown<int>(cpu.online.source);
    return;
  }
  cpu.logical_online = {static_cast<int>(cpu.online.value->size()), cpu.online.basis, cpu.online.source};
  gather_cores(from, cpu);
  gather_packages(from.files, cpu);
}

}  // namespace llmsize::probe
