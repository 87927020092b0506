#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "llmsize/core/plan_report.hpp"
#include "llmsize/core/serving.hpp"

namespace llmsize {

/// Turns a plan into servers, one per instance in the plan's order. A draft model becomes part of its
/// target's server where both have the same architecture, pool, tier and context, since the engine drafts
/// inside one process; otherwise it serves alone (docs/METHOD.md, "Serving a plan").
Deployment deployment_of(const PlanReport& report, const ServingOptions& options);

/// The engine's names of devices: "CUDA0,CUDA1".
std::string device_names(const std::string& backend, const std::vector<std::int64_t>& numbers);

}  // namespace llmsize
