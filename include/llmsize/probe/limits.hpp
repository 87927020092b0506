#pragma once
#include <optional>
#include <string_view>

#include "llmsize/core/fact.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize::probe {

/// The soft limit on locked memory, from /proc/self/limits: without a value where unlimited, nothing where
/// the text has none.
std::optional<Fact<Bytes>> parse_memlock(std::string_view text);

}  // namespace llmsize::probe
