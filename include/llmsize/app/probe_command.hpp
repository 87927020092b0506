#pragma once
#include <functional>
#include <string>
#include <vector>

#include "llmsize/app/outcome.hpp"
#include "llmsize/app/services.hpp"
#include "llmsize/core/host.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/core/tier.hpp"
#include "llmsize/probe/benchmark.hpp"
#include "llmsize/probe/overrides.hpp"

namespace llmsize::app {

struct ProbeOptions {
  std::string root;          ///< --root: a recorded tree instead of this machine.
  std::string model_folder;  ///< --model-dir: whose storage is looked at.
  probe::HostOverrides overrides;
  std::vector<std::string> facts;  ///< --fact NAME=VALUE, any fact by its name in the JSON.
  probe::BenchmarkRequest benchmarks;
  bool save = false;               ///< --save: keep the measurements for estimate and plan.
  std::string dump;                ///< --dump: where to write a replayable archive of what was read.
  bool no_identity = false;        ///< --no-identity: leave out what says which machine it is.
  bool diff = false;               ///< --diff A B: compare two saved probes.
  std::vector<std::string> files;  ///< The two of --diff.
  bool markdown = false;
  bool explain = false;
  bool json = false;
};

/// This machine, or the recorded one below `root`, with overrides applied.
/// Errors: not_found where `root` or the model folder is no folder.
Result<Host> probe_host(const Services& services, const ProbeOptions& options);

/// `llmsize probe`: the facts that decide what fits and how fast. `progress` hears what a benchmark is doing.
Result<Outcome> run_probe(const Services& services, const ProbeOptions& options,
                          const std::function<void(const std::string&)>& progress);

}  // namespace llmsize::app
