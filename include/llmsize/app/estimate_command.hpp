#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "llmsize/app/gpus.hpp"
#include "llmsize/app/outcome.hpp"
#include "llmsize/app/services.hpp"
#include "llmsize/app/sizing.hpp"
#include "llmsize/app/speed.hpp"
#include "llmsize/core/estimate_report.hpp"
#include "llmsize/core/host.hpp"

namespace llmsize::app {

/// How a budget that the user named is judged: `runs` accepts paging weights from disk.
enum class Requirement { runs, resident };

/// What --solve varies.
enum class SolveFor { context, parallel, quant, gpu_layers };

struct EstimateOptions {
  SizingRequest sizing;
  std::optional<ParamCount>
      params;  ///< --params: no model, intervals from the catalog's models of that size.
  std::optional<ParamCount> active_params;  ///< --active-params: the model is a mixture of experts.
  std::optional<Bytes> ram;                 ///< --ram: a budget for the whole process.
  bool host_named = false;                  ///< --host or --hosts: its memory is a budget, too.
  GpuOptions gpus;
  SpeedRequest speed;
  std::optional<std::int64_t> active_tokens;
  std::optional<Requirement> requirement;
  std::optional<SolveFor> solve;
  std::optional<Bytes> kv_budget;             ///< --kv-budget: of keys, values and state.
  std::optional<std::int64_t> turn_tokens;    ///< --turn-tokens: a question with its answer.
  bool stress = false;                        ///< --stress: every slot full.
  std::optional<std::int64_t> input_tokens;   ///< --input-tokens: the longest prompt of one slot.
  std::optional<std::int64_t> output_tokens;  ///< --output-tokens: the longest answer.
  std::string hosts_folder;                   ///< --hosts: saved probes to judge against.
  bool arguments_only = false;                ///< --args: the engine's flags instead of the answer.
  bool isa_named = false;                     ///< --isa was given, so the host's is not used.
  bool guide_method = false;                  ///< --method guide: the sizing guide's arithmetic instead.
  bool explain = false;
  bool json = false;
};

/// Sizes the model and judges it against --ram or `host`. Without a named budget the exit status is 0
/// whatever the verdict; with one it is 3 where the requirement is not met.
Result<Outcome> estimate(const Services& services, const Host& host, EstimateOptions options);

}  // namespace llmsize::app
