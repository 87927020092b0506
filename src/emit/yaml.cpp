#include "llmsize/emit/yaml.hpp"

#include <algorithm>

#include "llmsize/emit/words.hpp"

namespace llmsize::emit {
namespace {

using Json = nlohmann::ordered_json;

/// Text of several lines reads best as it is.
bool is_block(const Json& value) {
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  return text.size() > 1 && text.ends_with('\n') && !text.ends_with("\n\n") && text.front() > ' ' &&
         std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < ' ' && c != '\n'; });
}

std::string block(const std::string& text, const std::string& indent) {
  std::string lines = "|\n";
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = text.find('\n', at);
    lines += (end == at ? "" : indent) + text.substr(at, end - at) + "\n";
    at = end + 1;
  }
  lines.pop_back();
  return lines;
}

std::string scalar(const Json& value, const std::string& indent) {
  if (is_block(value)) return block(value.get_ref<const std::string&>(), indent);
  if (value.is_string()) return yaml_quoted(value.get<std::string>());
  // Empty lists and objects read alike in both languages, as numbers and true do.
  return value.dump();
}

void write_block(const Json& value, const std::string& indent, std::string& text);

/// What stands behind "key:" or "-".
void write_value(const Json& value, const std::string& indent, std::string& text) {
  if (value.is_structured() && !value.empty()) {
    text += "\n";
    write_block(value, indent, text);
  } else {
    text += " " + scalar(value, indent) + "\n";
  }
}

void write_block(const Json& value, const std::string& indent, std::string& text) {
  if (value.is_object()) {
    for (const auto& [key, inner] : value.items()) {
      text += indent + key + ":";
      write_value(inner, indent + "  ", text);
    }
    return;
  }
  for (const auto& inner : value) {
    std::string item;
    if (inner.is_structured() && !inner.empty()) {
      // The dash takes the place of the first two blanks.
      write_block(inner, indent + "  ", item);
      item.replace(indent.size(), 1, "-");
      text += item;
    } else {
      text += indent + "- " + scalar(inner, indent + "  ") + "\n";
    }
  }
}

}  // namespace

std::string yaml_document(const Json& document) {
  std::string text;
  write_block(document, "", text);
  return text;
}

}  // namespace llmsize::emit
