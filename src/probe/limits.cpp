#include "llmsize/probe/limits.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "llmsize/probe/control_groups.hpp"
#include "llmsize/probe/probe.hpp"
#include "llmsize/probe/text.hpp"

namespace llmsize::probe {
namespace {

constexpr const char* status_path = "/proc/self/status";

Fact<std::vector<int>> of_status(const FileReader& files, const char* key) {
  const auto text = files.read_text(status_path);
  if (!text) return unknown<std::vector<int>>(fmt::format("{} could not be read", status_path));
  const auto values = parse_colon_lines(*text);
  const auto found = values.find(key);
  auto numbers = found == values.end() ? std::nullopt : parse_cpu_list(found->second);
  if (!numbers || numbers->empty())
    return unknown<std::vector<int>>(fmt::format("{} has no {}", status_path, key));
  return reported(std::move(*numbers), fmt::format("{} ({})", status_path, key));
}

/// The kernel holds nobody to the limit who has CAP_IPC_LOCK (mlock(2)), unless it is root of a user
/// namespace only.
bool may_lock_anything(const FileReader& files) {
  constexpr unsigned lock_bit = 14;
  const auto status = parse_colon_lines(files.read_text(status_path).value_or(""));
  const auto effective = status.find("CapEff");
  const auto mask = effective == status.end() ? std::nullopt : parse_hexadecimal(effective->second);
  if (!mask || (*mask >> lock_bit & 1U) == 0) return false;
  const auto map = files.read_text("/proc/self/uid_map");
  return map && fields_of(*map) == std::vector<std::string_view>{"0", "0", "4294967295"};
}

/// `fact` narrowed to what `other` allows, if that leaves anything.
void narrow(Fact<std::vector<int>>& fact, const Fact<std::vector<int>>& other) {
  if (!other.known()) return;
  if (!fact.known()) {
    fact = other;
    return;
  }
  auto common = intersection(*fact.value, *other.value);
  if (common.empty() || common == *fact.value) return;
  fact = derived(std::move(common), fmt::format("{} and {}", fact.source, other.source));
}

}  // namespace

std::optional<Fact<Bytes>> parse_memlock(std::string_view text) {
  constexpr std::string_view key = "Max locked memory";
  for (const auto line : lines_of(text)) {
    if (!line.starts_with(key)) continue;
    const auto fields = fields_of(line.substr(key.size()));
    if (fields.empty()) return std::nullopt;
    if (fields[0] == "unlimited") return unknown<Bytes>("/proc/self/limits: unlimited");
    const auto number = parse_integer(fields[0]);
    if (!number || *number < 0) return std::nullopt;
    return reported(Bytes(*number), "/proc/self/limits (Max locked memory)");
  }
  return std::nullopt;
}

void gather_limits(const Surroundings& from, Host& host) {
  LimitFacts& limits = host.limits;
  auto memory = memory_limits(from.files);
  limits.memory_max = std::move(memory.max);
  limits.memory_high = std::move(memory.high);
  limits.memory_available = std::move(memory.available);
  limits.bound_by = std::move(memory.tightest);
  limits.cpu_quota_cores = cpu_quota(from.files);

  limits.allowed_cpus = host.cpu.online;
  if (from.system != nullptr) {
    if (auto cpus = from.system->affinity())
      narrow(limits.allowed_cpus, measured(std::move(*cpus), "sched_getaffinity"));
  } else {
    narrow(limits.allowed_cpus, of_status(from.files, "Cpus_allowed_list"));
  }
  narrow(limits.allowed_cpus, cpuset(from.files, "cpus"));

  std::vector<int> nodes;
  for (const auto& node : host.numa) nodes.push_back(node.id);
  limits.allowed_memory_nodes = derived(std::move(nodes), "all NUMA nodes");
  narrow(limits.allowed_memory_nodes, of_status(from.files, "Mems_allowed_list"));
  narrow(limits.allowed_memory_nodes, cpuset(from.files, "mems"));

  const auto text = from.files.read_text("/proc/self/limits");
  const auto memlock = text ? parse_memlock(*text) : std::nullopt;
  limits.memlock = memlock.value_or(unknown<Bytes>("/proc/self/limits could not be read"));
  if (may_lock_anything(from.files))
    limits.memlock = unknown<Bytes>(fmt::format("{} (CAP_IPC_LOCK): unlimited", status_path));
}

}  // namespace llmsize::probe
