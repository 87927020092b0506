#pragma once
#include <string>
#include <string_view>

namespace llmsize::probe {

/// What a recording keeps of a file: all that facts are made of, and nothing else of what is confidential.
/// The machine's id becomes its hash; serial numbers, variables of other processes, options of mounts and the
/// like go. Without `keeps_identity` the host's name and the hash go, too.
std::string without_secrets(const std::string& path, const std::string& content, bool keeps_identity);

/// What a recording says in place of a name or id that was left out.
inline constexpr std::string_view left_out = "(left out)";
/// What precedes the hash of a machine's id in a recording.
inline constexpr std::string_view hashed = "hashed: ";

}  // namespace llmsize::probe
