#pragma once
#include <string>

#include <fmt/format.h>

#include "llmsize/core/units.hpp"

namespace llmsize::render {

/// Tokens per second as people read them: a tenth is enough, and below one two digits.
inline std::string speed_text(TokensPerSecond speed) {
  const double rate = speed.per_second();
  return rate >= 1 ? fmt::format("{:.1f}", rate) : fmt::format("{:.2g}", rate);
}

}  // namespace llmsize::render
