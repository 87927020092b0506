#include "llmsize/core/pattern.hpp"

#include <regex>

namespace llmsize {

struct Pattern::Compiled {
  std::regex expression;
};

std::optional<Pattern> Pattern::compile(const std::string& text) {
  try {
    return Pattern(std::make_shared<const Compiled>(Compiled{std::regex(text)}));
  } catch (const std::regex_error&) {
    return std::nullopt;
  }
}

bool Pattern::found_in(const std::string& text) const {
  return std::regex_search(text, compiled_->expression);
}

std::vector<std::string> Pattern::search(const std::string& text) const {
  std::smatch found;
  if (!std::regex_search(text, found, compiled_->expression)) return {};
  std::vector<std::string> groups;
  for (const auto& group : found) groups.push_back(group.str());
  return groups;
}

}  // namespace llmsize
