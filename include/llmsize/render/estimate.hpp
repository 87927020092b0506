#pragma once
#include <string>

#include "llmsize/core/estimate_report.hpp"

namespace llmsize::render {

/// llmsize.estimate/1, as docs/schema/estimate.schema.json says.
std::string estimate_json(const EstimateReport& report);
/// The page for people: a sentence with the verdict, then tables. `explain` adds where each number comes from
/// and the weights by layer.
std::string estimate_text(const EstimateReport& report, bool explain);

}  // namespace llmsize::render
