#include "llmsize/probe/control_groups.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "llmsize/probe/text.hpp"

namespace llmsize::probe {
namespace {

/// Version 1 writes "no limit" as the highest 64-bit number rounded down to its page (64 KiB at most); no
/// machine has memory within a factor of two of it.
constexpr std::int64_t lowest_unlimited = std::int64_t{1} << 62;
/// Deeper nesting than any container manager makes; the kernel's own limit is higher.
constexpr std::size_t deepest_level = 128;

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const auto at = text.find(separator);
    if (const auto part = text.substr(0, at); !part.empty()) parts.emplace_back(part);
    if (at == std::string_view::npos) break;
    text.remove_prefix(at + 1);
  }
  return parts;
}

/// The group's folder below the mount point.
std::string located(const Mount& mount, const std::string& path) {
  const bool inside = lies_in(path, mount.root) && path.find("/..") == std::string::npos;
  const std::string below = !inside ? "" : mount.root == "/" ? path : path.substr(mount.root.size());
  return mount.point + (below == "/" ? "" : below);
}

std::vector<std::string> with_ancestors(const Mount& mount, std::string folder) {
  std::vector<std::string> folders;
  while (folders.size() < deepest_level && folder.size() > mount.point.size()) {
    folders.push_back(folder);
    folder.erase(folder.rfind('/'));
  }
  folders.push_back(mount.point);
  return folders;
}

bool is_mount_of(const Mount& mount, bool version_2, std::string_view controller) {
  if (version_2) return mount.type == "cgroup2";
  const auto options = split(mount.options, ',');
  return mount.type == "cgroup" && std::find(options.begin(), options.end(), controller) != options.end();
}

/// A hierarchy can be mounted in several places, and a container can see a part that is not its own, so the
/// mount that shows the group comes first. Null where the controller is not mounted.
const Mount* mount_of_group(const std::vector<Mount>& mounts, bool version_2, std::string_view controller,
                            const std::string& path) {
  const Mount* any = nullptr;
  for (const auto& mount : mounts) {
    if (!is_mount_of(mount, version_2, controller)) continue;
    if (lies_in(path, mount.root)) return &mount;
    if (any == nullptr) any = &mount;
  }
  return any;
}

/// Names of the memory controller's files in one version.
struct MemoryFiles {
  const char* limit;
  const char* usage;
  const char* inactive_file;  ///< The key in memory.stat that counts a whole subtree.
};
constexpr MemoryFiles memory_files[] = {
    {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"},
    {"memory.max", "memory.current", "inactive_file"}};

/// Memory that a group uses and cannot give back. Page cache counts as used by the kernel's figure, though it
/// is dropped before anything is refused.
std::optional<Bytes> unreclaimable(const FileReader& files, const std::string& folder,
                                   const MemoryFiles& names) {
  const auto usage = read_integer(files, fmt::format("{}/{}", folder, names.usage));
  if (!usage || *usage < 0) return std::nullopt;
  const auto stat = files.read_text(folder + "/memory.stat");
  const auto inactive = stat ? parse_stat(*stat, names.inactive_file).value_or(0) : 0;
  return Bytes(std::max<std::int64_t>(0, *usage - std::max<std::int64_t>(0, inactive)));
}

void keep_lower(Fact<Bytes>& lowest, Bytes value, const std::string& file) {
  if (!lowest.known() || value < *lowest.value) lowest = reported(value, file);
}

struct Level {
  Bytes limit;
  std::string file;
};

void add_level(const FileReader& files, const std::string& folder, const Level& level,
               const MemoryFiles& names, MemoryLimits& limits) {
  const auto used = unreclaimable(files, folder, names);
  if (!used) return;
  const Bytes room = std::max(Bytes(), level.limit - *used);
  if (limits.available.known() && room >= *limits.available.value) return;
  limits.available = derived(
      room, fmt::format("{} - ({} - {} of memory.stat)", level.file, names.usage, names.inactive_file));
  limits.tightest = level.file;
}

void add_hierarchy(const FileReader& files, const Hierarchy& hierarchy, MemoryLimits& limits) {
  const MemoryFiles& names = memory_files[hierarchy.version_2 ? 1 : 0];
  for (const auto& folder : hierarchy.folders) {
    const std::string path = fmt::format("{}/{}", folder, names.limit);
    const auto text = files.read_text(path);
    if (const auto limit = text ? parse_memory_limit(*text) : std::nullopt) {
      keep_lower(limits.max, *limit, path);
      add_level(files, folder, {*limit, path}, names, limits);
    }
    if (!hierarchy.version_2) continue;
    const std::string high_path = folder + "/memory.high";
    const auto high_text = files.read_text(high_path);
    if (const auto high = high_text ? parse_memory_limit(*high_text) : std::nullopt) {
      keep_lower(limits.high, *high, high_path);
      add_level(files, folder, {*high, high_path}, names, limits);
    }
  }
  if (hierarchy.version_2) return;
  // Version 1 states the tightest of all ancestors, also those that a container cannot see.
  const std::string path = hierarchy.folders.front() + "/memory.stat";
  const auto stat = files.read_text(path);
  const auto limit = stat ? parse_stat(*stat, "hierarchical_memory_limit") : std::nullopt;
  if (!limit || *limit < 0 || *limit >= lowest_unlimited) return;
  if (limits.max.known() && Bytes(*limit) >= *limits.max.value) return;
  const std::string source = path + " (hierarchical_memory_limit)";
  keep_lower(limits.max, Bytes(*limit), source);
  add_level(files, hierarchy.folders.front(), {Bytes(*limit), source}, names, limits);
}

std::optional<double> quota_of(const FileReader& files, const std::string& folder, bool version_2,
                               std::string& path) {
  path = folder + (version_2 ? "/cpu.max" : "/cpu.cfs_quota_us");
  if (version_2) {
    const auto text = files.read_text(path);
    return text ? parse_cpu_max(*text) : std::nullopt;
  }
  const auto quota = read_integer(files, path), period = read_integer(files, folder + "/cpu.cfs_period_us");
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

}  // namespace

std::vector<ControlGroupLine> parse_control_groups(std::string_view text) {
  std::vector<ControlGroupLine> lines;
  for (const auto line : lines_of(text)) {
    const auto first = line.find(':');
    const auto second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const auto path = trimmed(line.substr(second + 1));
    if (path.starts_with('/'))
      lines.push_back({split(line.substr(first + 1, second - first - 1), ','), std::string(path)});
  }
  return lines;
}

std::optional<Bytes> parse_memory_limit(std::string_view text) {
  const auto number = parse_integer(text);
  if (!number || *number < 0 || *number >= lowest_unlimited) return std::nullopt;
  return Bytes(*number);
}

std::optional<double> parse_cpu_max(std::string_view text) {
  const auto fields = fields_of(text);
  if (fields.empty()) return std::nullopt;
  constexpr std::int64_t default_period = 100'000;
  const auto quota = parse_integer(fields[0]);
  const auto period = fields.size() > 1 ? parse_integer(fields[1]) : std::optional(default_period);
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

std::optional<std::int64_t> parse_stat(std::string_view text, std::string_view key) {
  for (const auto line : lines_of(text)) {
    const auto fields = fields_of(line);
    if (fields.size() == 2 && fields[0] == key) return parse_integer(fields[1]);
  }
  return std::nullopt;
}

std::vector<Hierarchy> hierarchies(const FileReader& files, std::string_view controller) {
  std::vector<Hierarchy> found;
  const auto text = files.read_text("/proc/self/cgroup");
  if (!text) return found;
  const auto mounts = read_mounts(files);
  for (const auto& line : parse_control_groups(*text)) {
    const bool version_2 = line.controllers.empty();
    const auto& names = line.controllers;
    if (!version_2 && std::find(names.begin(), names.end(), controller) == names.end()) continue;
    if (const Mount* mount = mount_of_group(mounts, version_2, controller, line.path))
      found.push_back({version_2, with_ancestors(*mount, located(*mount, line.path))});
  }
  return found;
}

MemoryLimits memory_limits(const FileReader& files) {
  const char* none = "no control group limits memory";
  MemoryLimits limits{unknown<Bytes>(none), unknown<Bytes>(none), unknown<Bytes>(none), {}};
  for (const auto& hierarchy : hierarchies(files, "memory")) add_hierarchy(files, hierarchy, limits);
  return limits;
}

Fact<double> cpu_quota(const FileReader& files) {
  Fact<double> lowest = unknown<double>("no control group sets a quota");
  for (const auto& hierarchy : hierarchies(files, "cpu"))
    for (const auto& folder : hierarchy.folders) {
      std::string path;
      const auto quota = quota_of(files, folder, hierarchy.version_2, path);
      if (quota && (!lowest.known() || *quota < *lowest.value)) lowest = reported(*quota, path);
    }
  return lowest;
}

Fact<std::vector<int>> cpuset(const FileReader& files, std::string_view what) {
  for (const auto& hierarchy : hierarchies(files, "cpuset"))
    for (const auto& folder : hierarchy.folders) {
      const std::string effective = hierarchy.version_2 ? fmt::format("{}/cpuset.{}.effective", folder, what)
                                                        : fmt::format("{}/cpuset.effective_{}", folder, what);
      const std::string set = fmt::format("{}/cpuset.{}", folder, what);
      for (const auto& path : {effective, set})
        if (const auto text = read_trimmed(files, path))
          if (auto numbers = parse_cpu_list(*text); numbers && !numbers->empty())
            return reported(std::move(*numbers), path);
    }
  return unknown<std::vector<int>>("no control group restricts it");
}

}  // namespace llmsize::probe
