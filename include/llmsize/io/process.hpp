#pragma once
#include "llmsize/ports/command_runner.hpp"
#include "llmsize/ports/environment.hpp"

namespace llmsize::io {

/// This process's environment variables.
class ProcessEnvironment final : public Environment {
 public:
  [[nodiscard]] std::optional<std::string> variable(const std::string& name) const override;
};

}  // namespace llmsize::io
