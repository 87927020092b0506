#pragma once
#include "llmsize/core/plan_report.hpp"
#include "llmsize/core/serving.hpp"

namespace llmsize {

/// Turns a plan into servers, one per instance in the plan's order. A draft model becomes part of its
/// target's server where both have the same architecture, pool, tier and context, since the engine drafts
/// inside one process; otherwise it serves alone (docs/METHOD.md, "Serving a plan").
Deployment deployment_of(const PlanReport& report, const ServingOptions& options);

}  // namespace llmsize
