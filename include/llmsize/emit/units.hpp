#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "llmsize/core/serving.hpp"
#include "llmsize/emit/words.hpp"

namespace llmsize::emit {

// What containers and batch systems start as one: a server, a router with its WARM group, or everything that
// shares GPUs or the pages of a file. Device plugins and Slurm hand a GPU to one taker, and what maps a file
// in common has room together that it would not have if each asked for all of it.

/// One llama-server process.
struct Process {
  std::string comment;
  std::vector<Words> options;
  std::vector<std::string> roles;
  std::int64_t port = 0;
  double load_seconds = 0;  ///< Of its slowest model; 0: unknown.
};

struct Unit {
  std::string id;  ///< Of its first server, or "warm-POOL".
  std::vector<Process> processes;
  std::vector<std::string> warm_pools;  ///< Groups that its routers serve.
  Bytes host_memory;                    ///< Pages of a file that several of them map are counted once.
  std::string backend;                  ///< Of its GPUs; empty without.
  std::vector<std::int64_t> devices;    ///< Numbers on the machine.
  std::optional<int> threads;           ///< Of all its processes; unknown where the machine's are.
  std::optional<int> numa_node;
  std::vector<int> cpus;  ///< Of that node.
  bool locked = false;
};

/// How a format starts processes.
struct UnitRules {
  std::string preset_folder;    ///< Where routers find their presets, with a slash at its end.
  bool reserves = false;        ///< GPUs and memory are handed out to units: what is shared goes to one.
  bool own_cpus = false;        ///< Units have processors of their own: the machine's are divided.
  bool renumbers_gpus = false;  ///< A unit sees only its GPUs, numbered from 0.
};

struct Division {
  Deployment deployment;  ///< Its servers as the units start them; presets come from these.
  std::vector<Unit> units;
};

/// Every process of the deployment in units. One processor stays with the system where they are divided.
Division divided(Deployment deployment, const UnitRules& rules);

/// The router process beside its model, out of the safety margin: assumed, not measured.
inline constexpr Bytes router_allowance = mebibytes(256);

}  // namespace llmsize::emit
