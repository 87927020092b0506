#pragma once
#include <string>
#include <vector>

#include "llmsize/core/host.hpp"
#include "llmsize/ports/command_runner.hpp"
#include "llmsize/ports/environment.hpp"
#include "llmsize/ports/file_reader.hpp"
#include "llmsize/ports/system_calls.hpp"

namespace llmsize::probe {

class Answers;

/// Where a probe looks. Everything but `files` is null when a recorded tree is replayed: then no system call,
/// processor register, library, program or environment variable is consulted.
struct Surroundings {
  const FileReader& files;
  const SystemCalls* system = nullptr;
  const CommandRunner* commands = nullptr;
  const Environment* environment = nullptr;
  std::string model_folder;  ///< Whose storage is looked at; empty: the current folder, "/" when replaying.
  /// Answers that `system` cannot repeat: of a library. Found there in a replay, added to while recording.
  Answers* kept = nullptr;
  bool hides_uuids = false;  ///< Numbers in place of GPUs' UUIDs, also in `kept`.
};

/// One source of facts: reads, and adds what it found to the host. Never fails; what it cannot read stays
/// unknown with the reason as its source.
struct Source {
  const char* name;
  const char* about;  ///< One line for the documentation.
  void (*gather)(const Surroundings&, Host&);
};

/// Every source, in the order in which they run: later ones use facts of earlier ones.
const std::vector<Source>& sources();

/// Runs all sources and derives the effective budget.
Host gather(const Surroundings& surroundings);

// The sources, one file each.
void gather_identity(const Surroundings&, Host&);
void gather_platform(const Surroundings&, Host&);
void gather_memory(const Surroundings&, Host&);
void gather_cpu_topology(const Surroundings&, Host&);
void gather_cpu_identity(const Surroundings&, Host&);
void gather_cpu_caches(const Surroundings&, Host&);
void gather_numa(const Surroundings&, Host&);
void gather_limits(const Surroundings&, Host&);
void gather_storage(const Surroundings&, Host&);
void gather_dimms(const Surroundings&, Host&);
void gather_nvidia(const Surroundings&, Host&);
void gather_sysfs_gpus(const Surroundings&, Host&);
void gather_listed_devices(const Surroundings&, Host&);

/// The tightest of all limits, the threads to run with, and warnings with remedies. Called by `gather`, and
/// again after overrides.
void derive_effective(Host& host);
/// Threads to decode with on one NUMA node: its allowed physical cores, within the quota.
Fact<int> threads_on(const Host& host, int node);
/// What binding, interleaving or replicating would leave for a model. Part of `derive_effective`.
void derive_numa_budgets(Host& host);

}  // namespace llmsize::probe
