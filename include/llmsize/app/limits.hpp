#pragma once
#include "llmsize/app/estimate_report.hpp"

namespace llmsize::app {

/// With --stress, gives every slot the context of its longest input and output, and fills it. Errors: usage
/// where the two exceed the context that is named.
Result<void> apply_stress(EstimateOptions& options);

/// Adds the context gate and the stress case where they are asked for.
void add_limits(const EstimateOptions& options, SizedReport& sized);

}  // namespace llmsize::app
