#pragma once
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

// What the JSON renderers share: keys in the order they were written, and null for what is unknown.
namespace llmsize::render {

using Json = nlohmann::ordered_json;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

inline Json text_or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

}  // namespace llmsize::render
