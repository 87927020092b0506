#pragma once
#include <string>
#include <vector>

#include "llmsize/app/estimate_command.hpp"

namespace llmsize::app {

/// One column: what it is called and what is asked.
struct ComparedOptions {
  std::string label;
  EstimateOptions options;
};

/// The estimates side by side. A column that cannot be sized says why; exit status 3 where a budget is named
/// and no column fits it. Errors: that of the first column where none can be sized.
Result<Outcome> compare(const Services& services, const Host& host,
                        const std::vector<ComparedOptions>& columns, bool json);

}  // namespace llmsize::app
