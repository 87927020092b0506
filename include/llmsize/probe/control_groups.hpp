#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llmsize/core/fact.hpp"
#include "llmsize/core/units.hpp"
#include "llmsize/ports/file_reader.hpp"
#include "llmsize/probe/mounts.hpp"

namespace llmsize::probe {

/// A line of /proc/self/cgroup: "4:memory:/a/b" or, for version 2, "0::/a/b".
struct ControlGroupLine {
  std::vector<std::string> controllers;  ///< Empty for version 2.
  std::string path;
};

std::vector<ControlGroupLine> parse_control_groups(std::string_view text);

/// A limit in bytes, or nothing for "max", for version 1's "unlimited" (the highest multiple of a page) and
/// for damage.
std::optional<Bytes> parse_memory_limit(std::string_view text);
/// "max 100000" or "150000 100000" as cores; nothing where unlimited or damaged.
std::optional<double> parse_cpu_max(std::string_view text);
/// A value of memory.stat.
std::optional<std::int64_t> parse_stat(std::string_view text, std::string_view key);

/// The folders of one control group and all its ancestors up to the mount point, the group itself first.
struct Hierarchy {
  bool version_2 = false;
  std::vector<std::string> folders;
};

/// Where the controller ("memory", "cpu", "cpuset") of this process is mounted, for each version that has it.
/// A path outside the mounted part (a container that sees only its own subtree) leaves the mount point
/// itself.
std::vector<Hierarchy> hierarchies(const FileReader& files, std::string_view controller);

/// What the memory controller of all levels allows.
struct MemoryLimits {
  Fact<Bytes> max, high, available;
  std::string tightest;  ///< The file of the limit that leaves the least room; empty where none.
};

MemoryLimits memory_limits(const FileReader& files);
/// The tightest quota of any level, in cores.
Fact<double> cpu_quota(const FileReader& files);
/// What the nearest level that says so allows: CPUs ("cpus") or NUMA nodes ("mems").
Fact<std::vector<int>> cpuset(const FileReader& files, std::string_view what);

}  // namespace llmsize::probe
