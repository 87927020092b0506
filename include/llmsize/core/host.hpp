#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "llmsize/core/fact.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

/// A cache level as the system lists it, all instances of one kind together.
struct CpuCache {
  int level = 0;
  std::string type;  ///< "data", "instruction" or "unified".
  Fact<Bytes> size;  ///< Of the largest instance; unknown where the system does not say.
  int instances = 0;
};

/// A kind of core on a hybrid processor.
struct CpuKind {
  std::string name;
  int cores = 0;
  int threads_per_core = 1;
  Fact<double> max_megahertz;
};

struct CpuFacts {
  Fact<std::string> model;
  Fact<int> logical_online;
  Fact<int> physical_cores;
  Fact<int> packages;
  std::vector<CpuKind> kinds;
  Fact<std::vector<std::string>> isa;  ///< The kernel's flag names, sorted.
  std::vector<CpuCache> caches;
  Fact<Bytes> last_level_cache;  ///< All instances of the last level together.

  [[nodiscard]] bool has_isa(const std::string& flag) const;
};

struct MemoryFacts {
  Fact<Bytes> total;
  Fact<Bytes> available;
  Fact<BytesPerSecond> bandwidth;  ///< Theoretical, from DIMMs or data/cpus.json.
};

/// Limits that a container, a service manager or a shell sets below what the machine has.
struct LimitFacts {
  Fact<Bytes> memory_max;  ///< The tightest limit of any ancestor control group.
  Fact<Bytes> memory_high;
  Fact<Bytes> memory_available;  ///< The least headroom of any level: limit - (current - reclaimable).
  std::string bound_by;          ///< The limit and its file, or empty where nothing binds.
  Fact<double> cpu_quota_cores;
  Fact<std::vector<int>> allowed_cpus;
  Fact<std::vector<int>> allowed_memory_nodes;
  Fact<Bytes> memlock;
};

struct NumaNode {
  int id = 0;
  std::vector<int> cpus;
  Fact<Bytes> total;
  Fact<Bytes> free;
  std::string kind;  ///< "dram", "memory_only", "cxl", "gpu", "side_cache".
  std::vector<int> distances;
};

struct StorageFacts {
  std::string path;
  Fact<std::string> filesystem;
  Fact<std::string> device;
  Fact<std::string> kind;  ///< "nvme", "ssd", "hdd", "virtual", "network", "memory" or unknown.
  Fact<Bytes> free;
  Fact<BytesPerSecond> read_rate;
};

struct GpuFacts {
  std::string name;
  std::string vendor;
  Fact<Bytes> memory_total;
  Fact<Bytes> memory_free;
  bool unified = false;  ///< Shares system memory: `pool_id` says which pool, so that it is counted once.
  std::string pool_id;
  Fact<BytesPerSecond> bandwidth;
  Fact<std::string> backend;
};

struct Dimm {
  std::string locator;
  Bytes size;
  std::int64_t mega_transfers_per_second = 0;
  int channel = -1;
};

struct PlatformFacts {
  Fact<std::string> os;
  Fact<std::string> kernel;
  Fact<std::string> machine;  ///< "x86_64", "aarch64", …
  Fact<std::string> virtualization;
  Fact<std::string> container;
  Fact<bool> wsl;
};

/// What llmsize would plan with: the tightest of all limits, and which one that was.
struct EffectiveFacts {
  Fact<Bytes> memory;
  Fact<int> threads;
  std::string bound_by;
};

/// A machine: probed, replayed from a recording, read from `probe --json`, or described by flags.
struct Host {
  std::string name;
  MemoryFacts memory;
  LimitFacts limits;
  CpuFacts cpu;
  std::vector<NumaNode> numa;
  std::vector<StorageFacts> storage;
  std::vector<GpuFacts> gpus;
  std::vector<Dimm> dimms;
  PlatformFacts platform;
  EffectiveFacts effective;
  std::vector<std::string> warnings;
};

}  // namespace llmsize
