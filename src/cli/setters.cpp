#include "llmsize/cli/setters.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "llmsize/cli/values.hpp"
#include "llmsize/core/text.hpp"
#include "llmsize/probe/cpu.hpp"

namespace llmsize::cli {
namespace {

/// Stores what `parse` makes of the text.
template <class Target, class Parse>
Setter store(Target& target, Parse parse) {
  return [&target, parse = std::move(parse)](const std::string& text) -> Result<void> {
    auto value = parse(text);
    if (!value) return tl::unexpected(value.error());
    target = std::move(*value);
    return {};
  };
}

Result<TensorType> parse_type(const std::string& text, const TypeTable& types) {
  if (const TensorType* type = types.find(text)) return *type;
  std::vector<std::string> names;
  for (const auto& type : types.all()) names.emplace_back(type.name());
  const std::string near = nearest(lower_case(text), names);
  return fail(
      ErrorCode::usage, fmt::format("\"{}\" is no tensor type", text),
      near.empty() ? "llmsize catalog list tensor_type shows all." : fmt::format("Did you mean {}?", near));
}

}  // namespace

Setter set_instruction_sets(std::vector<std::string>& target) {
  return store(target, [](const std::string& text) -> Result<std::vector<std::string>> {
    auto parts = parse_list(text);
    if (!parts) return parts;
    const auto known = probe::instruction_set_names();
    for (const auto& part : *parts) {
      if (std::find(known.begin(), known.end(), part) != known.end()) continue;
      const std::string near = nearest(part, known);
      return fail(ErrorCode::usage, fmt::format("\"{}\" is no instruction set", part),
                  near.empty() ? fmt::format("Use the kernel's names, as in /proc/cpuinfo: {}.",
                                             fmt::join(known, ", "))
                               : fmt::format("Did you mean {}?", near));
    }
    return parts;
  });
}

Setter set_rate(std::optional<BytesPerSecond>& target) {
  // No device is slower than the first number or faster than the second, so others are slips.
  constexpr double lowest = 0.001, highest = 1e6, bytes = 1e9;
  return store(target, [=](const std::string& text) -> Result<BytesPerSecond> {
    const auto gigabytes = parse_number(text, lowest, highest);
    if (!gigabytes) return tl::unexpected(gigabytes.error());
    return BytesPerSecond(*gigabytes * bytes);
  });
}

Setter set_hub_name(std::string& target) {
  return store(target, [](const std::string& text) -> Result<std::string> {
    if (text.empty()) return fail(ErrorCode::usage, "needs a value");
    return "hf:" + text;
  });
}

Setter set_text(std::string& target) {
  return store(target, [](const std::string& text) -> Result<std::string> {
    if (text.empty()) return fail(ErrorCode::usage, "needs a value");
    return text;
  });
}

Setter set_true(bool& target) {
  return [&target](const std::string&) -> Result<void> {
    target = true;
    return {};
  };
}

Setter set_switch(std::optional<bool>& target, bool value) {
  return [&target, value](const std::string&) -> Result<void> {
    target = value;
    return {};
  };
}

Setter set_tokens(std::optional<std::int64_t>& target) {
  return store(target, parse_tokens);
}

Setter set_count(std::optional<std::int64_t>& target, std::int64_t lowest, std::int64_t highest) {
  return store(target, [=](const std::string& text) { return parse_count(text, lowest, highest); });
}

Setter set_size(std::optional<Bytes>& target) {
  return store(target, parse_size);
}
Setter set_params(std::optional<ParamCount>& target) {
  return store(target, parse_params);
}

Setter set_type(TensorType& target, const TypeTable& types) {
  return store(target, [&types](const std::string& text) { return parse_type(text, types); });
}

Setter set_type(std::optional<TensorType>& target, const TypeTable& types) {
  return store(target, [&types](const std::string& text) { return parse_type(text, types); });
}

}  // namespace llmsize::cli
