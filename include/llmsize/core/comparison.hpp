#pragma once
#include <optional>
#include <string>
#include <vector>

#include "llmsize/core/estimate_report.hpp"

namespace llmsize {

/// One column of `llmsize compare`, or one host of `estimate --hosts`: a label and its answer, or why there
/// is none.
struct ComparedReport {
  std::string label;
  std::optional<EstimateReport> report;
  std::string error;
};

}  // namespace llmsize
