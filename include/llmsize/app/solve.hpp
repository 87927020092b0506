#pragma once
#include "llmsize/app/estimate_report.hpp"

namespace llmsize::app {

/// Varies what --solve names and returns the report of the largest setting that fits, which `options` then
/// hold; or of the least one where none does. Fitting is being resident, or running where --require runs is
/// given. Errors: usage without a model, without a budget, or without a GPU for gpu-layers.
Result<SizedReport> solved_report(const Services& services, const Host& host, EstimateOptions& options);

}  // namespace llmsize::app
