#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace llmsize::probe {

/// The distribution's name for people, from os-release.
std::optional<std::string> parse_os_release(std::string_view text);

}  // namespace llmsize::probe
