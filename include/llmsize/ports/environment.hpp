#pragma once
#include <optional>
#include <string>

namespace llmsize {

/// Environment variables, by name.
class Environment {
 public:
  virtual ~Environment() = default;
  [[nodiscard]] virtual std::optional<std::string> variable(const std::string& name) const = 0;
};

}  // namespace llmsize
