#pragma once
#include <string>

#include "llmsize/core/fit_report.hpp"

namespace llmsize::render {

/// A sentence, a table, and what the order means.
std::string fit_text(const FitReport& report);
/// llmsize.fit/1.
std::string fit_json(const FitReport& report);

}  // namespace llmsize::render
