#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "llmsize/cli/command.hpp"
#include "llmsize/core/tensor.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize::cli {

using Setter = std::function<Result<void>(const std::string&)>;

// Setters store a parsed value into an option struct that outlives the command.
Setter set_text(std::string& target);
/// A repository on a hub, kept as -m names it: "hf:ORG/REPO".
Setter set_hub_name(std::string& target);
Setter set_true(bool& target);
Setter set_switch(std::optional<bool>& target, bool value);
Setter set_tokens(std::optional<std::int64_t>& target);
Setter set_count(std::optional<std::int64_t>& target, std::int64_t lowest, std::int64_t highest);
Setter set_size(std::optional<Bytes>& target);
Setter set_params(std::optional<ParamCount>& target);
/// Instruction sets by the kernel's names, so that a slip does not become a processor without them.
Setter set_instruction_sets(std::vector<std::string>& target);
/// In 10^9 bytes per second, of memory or storage.
Setter set_rate(std::optional<BytesPerSecond>& target);
/// A tensor type by name, out of `types`.
Setter set_type(TensorType& target, const TypeTable& types);
Setter set_type(std::optional<TensorType>& target, const TypeTable& types);

/// One of a closed set of words.
template <class T>
Setter set_choice(T& target, std::vector<std::pair<std::string, T>> choices) {
  return [&target, choices = std::move(choices)](const std::string& text) -> Result<void> {
    std::string words;
    for (const auto& [word, value] : choices) {
      if (word == text) {
        target = value;
        return {};
      }
      words += (words.empty() ? "" : ", ") + word;
    }
    return fail(ErrorCode::usage, "\"" + text + "\" is none of its values", "Use one of: " + words + ".");
  };
}

}  // namespace llmsize::cli
