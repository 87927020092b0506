#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "llmsize/core/host.hpp"
#include "llmsize/core/result.hpp"

namespace llmsize::probe {

/// A GPU described by the user: a size, or a name, or both.
struct GpuOverride {
  std::string name;
  std::optional<Bytes> memory;
};

/// Facts that the user states. Each replaces what was probed, with the basis "override".
struct HostOverrides {
  std::optional<Bytes> ram;
  std::optional<Bytes> available;
  std::optional<Bytes> memory_limit;
  std::optional<Bytes> memlock;
  std::optional<double> bandwidth_gigabytes;  ///< In GB/s (10^9).
  std::optional<std::int64_t> cores;
  std::optional<std::int64_t> logical_cpus;
  std::optional<std::int64_t> packages;
  std::optional<std::int64_t> numa_nodes;
  std::optional<double> cpu_quota;
  std::optional<Bytes> last_level_cache;
  std::string cpu_model;
  std::vector<std::string> isa;
  std::vector<GpuOverride> gpus;
  bool no_gpus = false;
  std::string storage_kind;
  std::optional<Bytes> storage_free;
  std::optional<double> storage_gigabytes;  ///< Read rate in GB/s.
};

/// Applies what is stated and derives the effective budget again. Errors: usage where statements contradict
/// each other or what is known of the host.
Result<void> apply_overrides(Host& host, const HostOverrides& overrides);

}  // namespace llmsize::probe
