#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "llmsize/core/plan.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

// What a plan hands to the serving engine (docs/METHOD.md, "Serving a plan"). Emitters turn it into files.

/// A published or expected model file.
struct ModelFile {
  std::string name;  ///< As the GGUF naming convention has it: "Qwen3-8B-Q4_K_M.gguf".
  Bytes size;
  std::string repository;  ///< Of GGUF files, for -hf; empty where none is known.
};

/// One llama-server process.
struct Server {
  std::string id;  ///< The instance's: the first role it serves.
  std::vector<std::string> roles;
  PlanTier tier = PlanTier::hot;
  std::string pool;
  std::string model, quant;
  Bytes memory;             ///< What the plan set aside for it, its draft model included.
  Bytes host_memory;        ///< The part of `memory` that is the host's: all of it but what GPUs hold.
  std::string mapped_file;  ///< Whose pages servers of one pool share; empty: it shares none.
  Bytes mapped;             ///< Those pages, inside `host_memory`.
  std::string draft;        ///< Instance that runs inside this server as its draft model; usually empty.
  ModelFile file;
  std::optional<double> load_seconds;
  std::int64_t port = 0;
  std::vector<EngineSetting> settings;  ///< Everything but host, port and alias; the model comes first.
  std::optional<int> numa_node;         ///< Bound to this node.
  std::vector<int> cpus;                ///< It may run on these; empty: any.
  std::optional<int> threads;           ///< --threads; unknown on a machine that only --ram describes.
  std::string backend;                  ///< Of its GPUs: "cuda", "rocm", …; empty without.
  std::vector<std::int64_t> devices;    ///< Numbers of its GPUs on the machine.
  bool locked = false;                  ///< Its memory is locked (--load-mode mlock).
};

/// Servers of a plan, ready to be written in any format.
struct Deployment {
  std::string title;                         ///< One line for the head of each file.
  std::string engine;                        ///< Program to start: "llama-server" or a path.
  std::string document;                      ///< The plan as llmsize.plan/1.
  std::string models_dir;                    ///< Where the model files lie; empty: the engine downloads them.
  std::string listen_address = "127.0.0.1";  ///< What the servers bind to.
  std::int64_t first_port = 0;
  std::vector<Server> servers;
};

/// Hosts that are alike and get the same servers.
struct HostClass {
  std::string id;  ///< Unique, a label of Kubernetes and a file name; empty for a single host.
  std::string
      machine_class;  ///< Of `MachineClass`: hosts of one may get different roles, in several of these.
  std::vector<std::string> hosts;  ///< Their names, which others reach them by; empty for a single host.
  Deployment deployment;
};

/// What a fleet is given. A single host is a fleet of one class without a name.
struct FleetDeployment {
  std::string title;     ///< One line for the head of files that span classes.
  std::string document;  ///< The fleet's plan as JSON; empty for a single host.
  std::vector<HostClass> classes;
  bool pin_hosts = false;  ///< Write host names, not only classes, where a format selects hosts.
};

/// What only the user knows about serving.
struct ServingOptions {
  std::string engine = "llama-server";       ///< --engine
  std::string models_dir;                    ///< --models-dir: files lie here; empty: -hf references.
  std::int64_t first_port = 8080;            ///< --port: the first server's.
  std::string listen_address = "127.0.0.1";  ///< Of a fleet's hosts, whose gateway is elsewhere: 0.0.0.0.
};

}  // namespace llmsize
