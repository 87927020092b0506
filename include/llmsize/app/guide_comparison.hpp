#pragma once
#include <optional>

#include "llmsize/app/estimate_command.hpp"

namespace llmsize::app {

/// The sizing guide's answer for the report's model and quant; nothing where the guide has no multiplier for
/// it.
std::optional<GuideComparison> guide_comparison(const Services& services, const EstimateReport& report);

/// `estimate --method guide`: the guide's formula step by step, labelled as the guide's.
Result<Outcome> guide_estimate(const Services& services, const EstimateOptions& options);

}  // namespace llmsize::app
