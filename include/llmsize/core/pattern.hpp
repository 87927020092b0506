#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace llmsize {

/// A compiled regular expression (ECMAScript, as the engine's options take them). The one place that includes
/// <regex>, which costs more to compile than most sources that would use it.
class Pattern {
 public:
  /// Nothing where the text is not a regular expression.
  [[nodiscard]] static std::optional<Pattern> compile(const std::string& text);

  /// Whether it matches anywhere in the text.
  [[nodiscard]] bool found_in(const std::string& text) const;

  /// The first match and its groups, "" for a group that took no part; empty where nothing matches.
  [[nodiscard]] std::vector<std::string> search(const std::string& text) const;

 private:
  struct Compiled;
  explicit Pattern(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}

  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace llmsize
