#pragma once
#include <string>
#include <vector>

#include "llmsize/app/estimate_command.hpp"
#include "llmsize/core/estimate_report.hpp"

namespace llmsize::app {

/// llama-server's flags that make `report` true, as separate words; the model is among them where it is a
/// file as it lies on disk. Errors: usage for llama-bench and for bare parameters, unsupported for words that
/// a shell would split.
Result<std::vector<std::string>> engine_arguments(const EstimateOptions& options,
                                                  const EstimateReport& report);

}  // namespace llmsize::app
