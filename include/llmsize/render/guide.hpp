#pragma once
#include <string>

#include "llmsize/core/guide_report.hpp"

namespace llmsize::render {

/// The tables with each computed value below its row.
std::string guide_text(const GuideReport& report);
/// llmsize.guide-tables/1.
std::string guide_json(const GuideReport& report);

}  // namespace llmsize::render
