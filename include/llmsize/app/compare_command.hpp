#pragma once
#include <string>
#include <vector>

#include "llmsize/app/estimate_command.hpp"

namespace llmsize::app {

/// One column: what it is called, what is asked, and the host that it is judged against.
struct ComparedOptions {
  std::string label;
  EstimateOptions options;
  Host host;
};

/// The estimates side by side. A column that cannot be sized says why; exit status 3 where a budget is named
/// and no column fits it. Errors: that of the first column where none can be sized.
Result<Outcome> compare(const Services& services, const std::vector<ComparedOptions>& columns, bool json);

}  // namespace llmsize::app
