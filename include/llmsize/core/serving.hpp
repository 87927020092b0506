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
  Bytes memory;       ///< What the plan set aside for it, its draft model included.
  std::string draft;  ///< Instance that runs inside this server as its draft model; usually empty.
  ModelFile file;
  std::optional<double> load_seconds;
  std::int64_t port = 0;
  std::vector<EngineSetting> settings;  ///< Everything but host, port and alias; the model comes first.
  std::optional<int> numa_node;         ///< Bound to this node.
  std::vector<int> cpus;                ///< It may run on these; empty: any.
  bool locked = false;                  ///< Its memory is locked (--load-mode mlock).
};

/// Servers of a plan, ready to be written in any format.
struct Deployment {
  std::string title;     ///< One line for the head of each file.
  std::string engine;    ///< Program to start: "llama-server" or a path.
  std::string document;  ///< The plan as llmsize.plan/1.
  std::int64_t first_port = 0;
  std::vector<Server> servers;
};

/// What only the user knows about serving.
struct ServingOptions {
  std::string engine = "llama-server";  ///< --engine
  std::string models_dir;               ///< --models-dir: files lie here; empty: -hf references.
  std::int64_t first_port = 8080;       ///< --port: the first server's.
};

}  // namespace llmsize
