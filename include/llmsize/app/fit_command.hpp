#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "llmsize/app/estimate_command.hpp"
#include "llmsize/app/outcome.hpp"
#include "llmsize/app/services.hpp"
#include "llmsize/core/fit_report.hpp"

namespace llmsize::app {

struct FitOptions {
  EstimateOptions estimate;  ///< Run, devices, memory, speed and budget; `sizing.model` stays empty.
  std::vector<std::string> capabilities, families, licenses;  ///< --capability: all; the others: any of them.
  std::optional<ParamCount> lowest_params, highest_params;
  std::optional<double> lowest_speed;  ///< Tokens per second, decoding, middle.
  std::string quant;                   ///< --quant: this one instead of the best that fits.
  FitOrder order = FitOrder::size;
  std::optional<std::int64_t> limit;
  bool all = false;
  bool local = false;
  std::string models_dir;  ///< --models-dir: GGUF files below it, instead of the programs' stores.
  bool json = false;
};

/// Which models run on --ram, --gpu or `host`, best first. Exit status 3 where a budget is named and none
/// does. Errors: usage for a capability that no catalog has or an unknown budget;
/// not_found for a quant.
Result<Outcome> fit(const Services& services, const Host& host, FitOptions options);

}  // namespace llmsize::app
