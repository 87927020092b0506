#include "llmsize/cli/setters.hpp"

#include <fmt/format.h>

#include "llmsize/cli/values.hpp"
#include "llmsize/core/text.hpp"

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
