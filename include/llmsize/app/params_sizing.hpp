#pragma once
#include <optional>

#include "llmsize/app/services.hpp"
#include "llmsize/app/sizing.hpp"
#include "llmsize/core/estimate_report.hpp"

namespace llmsize::app {

/// Sizes a model of which only the number of parameters is known: weights, KV cache and the rest as intervals
/// over the catalog's models of about that size (dense, unless `active` says mixture of experts).
Result<EstimateReport> size_params(const Services& services, ParamCount params,
                                   std::optional<ParamCount> active, const SizingRequest& request);

}  // namespace llmsize::app
