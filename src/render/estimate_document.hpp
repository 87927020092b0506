#pragma once
#include <nlohmann/json.hpp>

#include "llmsize/core/estimate_report.hpp"

namespace llmsize::render {

/// llmsize.estimate/1 as a value, for documents that hold several.
nlohmann::ordered_json estimate_document(const EstimateReport& report);

}  // namespace llmsize::render
