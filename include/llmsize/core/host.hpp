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
  Fact<std::string> name;
  int cores = 0;
  int threads_per_core = 1;
  Fact<double> max_megahertz;
  std::vector<int> cpus;  ///< Logical CPUs of this kind, online ones only.
};

/// A physical core and the logical CPUs that share it.
using CoreCpus = std::vector<int>;

struct CpuFacts {
  Fact<std::string> model;
  Fact<std::vector<int>> online;
  Fact<int> logical_online;
  Fact<int> physical_cores;
  Fact<int> packages;
  std::vector<CoreCpus>
      cores;  ///< Each physical core's online logical CPUs; empty where the topology is unknown.
  std::vector<CpuKind> kinds;
  Fact<std::vector<std::string>> isa;  ///< The kernel's flag names, sorted.
  Fact<int> vector_bits;               ///< Width of the widest usable vector register.
  std::vector<CpuCache> caches;
  Fact<Bytes> last_level_cache;  ///< All instances of the last level together.

  [[nodiscard]] bool has_isa(const std::string& flag) const;
  /// The AVX-512 subsets among `isa`.
  [[nodiscard]] std::vector<std::string> avx512_flags() const;
};

/// Huge pages set aside at boot or by an administrator: memory that llama.cpp cannot use.
struct HugePagePool {
  Bytes page;
  std::int64_t pages = 0;
  std::int64_t free_pages = 0;
};

struct MemoryFacts {
  Fact<Bytes> total;
  Fact<Bytes> available;
  Fact<BytesPerSecond> bandwidth;           ///< Theoretical, from DIMMs or data/cpus.json.
  Fact<BytesPerSecond> measured_bandwidth;  ///< What every core together read (`--bench memory`).
  Fact<Bytes> swap_total;                   ///< Never counted as room for a model.
  Fact<Bytes> swap_free;
  Fact<Bytes> arc_reclaimable;  ///< ZFS's cache above its minimum; already counted in `available`.
  std::vector<HugePagePool> huge_pages;
  Fact<std::string> transparent_huge_pages;  ///< "always", "madvise" or "never".
  Fact<int> overcommit;                      ///< vm.overcommit_memory: 0, 1 or 2.
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
  Fact<Bytes> available;   ///< Free, and what the kernel could drop here.
  Fact<std::string> kind;  ///< "dram", "memory_only", "cxl", "pmem", "gpu", "side_cache", "empty".
  std::vector<int> distances;
  Fact<Bytes> side_cache;               ///< Fast memory that caches this node (HMAT).
  Fact<BytesPerSecond> read_bandwidth;  ///< As the firmware's HMAT table states it.

  [[nodiscard]] bool is_gpu() const { return kind.value == "gpu"; }
  /// Processors and system memory, be it behind a cache.
  [[nodiscard]] bool is_system() const { return kind.value == "dram" || kind.value == "side_cache"; }
};

/// What a model may take on a machine of several NUMA nodes, by how its memory is placed. Nodes that hold
/// processors and system memory count.
struct NumaBudgets {
  Fact<Bytes> bind;        ///< All of it on the roomiest node, and the threads there too.
  int bind_node = -1;      ///< That node.
  Fact<int> bind_threads;  ///< For decode there: one per physical core of the node that is allowed.
  Fact<Bytes> interleave;  ///< The same share on every node: the tightest decides.
  Fact<Bytes> replicate;   ///< A whole copy on every node.
};

struct StorageFacts {
  std::string path;
  Fact<std::string> filesystem;
  Fact<std::string> device;
  /// "nvme", "ssd", "hdd", "pmem", "flash", "virtual", "network", "host_share", "memory", "mixed" or unknown.
  Fact<std::string> kind;
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
  std::string id;  ///< UUID or PCI address.
  Fact<double> fp32_tflops;
  Fact<double> fp16_tflops;  ///< Dense, with FP32 accumulation.
};

struct Dimm {
  std::string locator;
  Fact<Bytes> size;
  Fact<int> mega_transfers_per_second;
  Fact<int> channel;  ///< As the slot's label names it.
};

struct PlatformFacts {
  Fact<std::string> os;
  Fact<std::string> kernel;
  Fact<std::string> machine;  ///< "x86_64", "aarch64", …
  Fact<std::string> virtualization;
  Fact<std::string> container;
  Fact<bool> wsl;
};

/// Which machine this is, so that two probes of one machine can be told from probes of two.
struct IdentityFacts {
  Fact<std::string> host_name;
  Fact<std::string> machine_id;  ///< Made from the machine's own id, which stays confidential.
};

/// What llmsize would plan with: the tightest of all limits, and which one that was.
struct EffectiveFacts {
  Fact<Bytes> memory;
  Fact<int> threads;         ///< For decode: one per physical core that is allowed, of the fastest kind.
  Fact<int> prompt_threads;  ///< For prompts: every physical core that is allowed.
  std::string bound_by;
};

/// A warning with its remedy (may be empty).
struct HostWarning {
  std::string message;
  std::string remedy;
};

/// What `--bench` measured, in the order of measuring.
struct BenchmarkResult {
  std::string name;    ///< "memory.read", "compute.int8_dot", "storage.read" …
  std::string unit;    ///< "bytes_per_second" or "operations_per_second".
  std::string detail;  ///< "all cores, local memory", "8 requests in flight".
  int threads = 0;
  std::vector<double> repetitions;  ///< In `unit`, in the order of running.
  double median = 0;
  double spread = 0;       ///< (highest - lowest) / median.
  std::string confidence;  ///< "good", "low_confidence" or "cache_influenced".
};

/// A machine: probed, replayed from a recording, read from `probe --json`, or described by flags.
struct Host {
  std::string name;
  IdentityFacts identity;
  MemoryFacts memory;
  LimitFacts limits;
  CpuFacts cpu;
  std::vector<NumaNode> numa;
  NumaBudgets numa_budgets;
  std::vector<StorageFacts> storage;
  std::vector<GpuFacts> gpus;
  std::vector<Dimm> dimms;
  PlatformFacts platform;
  EffectiveFacts effective;
  std::vector<BenchmarkResult> benchmarks;
  std::vector<HostWarning> warnings;
};

}  // namespace llmsize
