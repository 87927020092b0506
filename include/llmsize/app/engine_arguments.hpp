#pragma once
#include <string>
#include <vector>

#include "llmsize/app/estimate_command.hpp"
#include "llmsize/core/estimate_report.hpp"

namespace llmsize::app {

/// llama-server's flags, and what they leave to the user.
struct EngineArguments {
  std::vector<std::string> words;
  std::vector<std::string> missing;  ///< Clauses about flags that the user must add.
};

/// The flags that make `report` true, as separate words; the model is among them where it is a file on disk
/// or in a repository. Errors: usage for llama-bench and for bare parameters, unsupported for words that a
/// shell would split.
Result<EngineArguments> engine_arguments(const Services& services, const EstimateOptions& options,
                                         const EstimateReport& report);

}  // namespace llmsize::app
