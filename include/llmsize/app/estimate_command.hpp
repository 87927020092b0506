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

struct EstimateOptions {
  SizingRequest sizing;
  std::optional<ParamCount>
      params;  ///< --params: no model, intervals from the catalog's models of that size.
  std::optional<ParamCount> active_params;  ///< --active-params: the model is a mixture of experts.
  std::optional<Bytes> ram;                 ///< --ram: a budget for the whole process.
  GpuOptions gpus;
  SpeedRequest speed;
  std::optional<std::int64_t> active_tokens;
  std::optional<Requirement> requirement;
  bool isa_named = false;     ///< --isa was given, so the host's is not used.
  bool guide_method = false;  ///< --method guide: the sizing guide's arithmetic instead.
  bool explain = false;
  bool json = false;
};

/// Sizes the model and judges it against --ram or `host`. Without a named budget the exit status is 0
/// whatever the verdict; with one it is 3 where the requirement is not met.
Result<Outcome> estimate(const Services& services, const Host& host, EstimateOptions options);

}  // namespace llmsize::app
