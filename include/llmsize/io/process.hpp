#pragma once
#include "llmsize/ports/command_runner.hpp"
#include "llmsize/ports/environment.hpp"

namespace llmsize::io {

/// This process's environment variables.
class ProcessEnvironment final : public Environment {
 public:
  [[nodiscard]] std::optional<std::string> variable(const std::string& name) const override;
};

/// Starts programs found in PATH, without a shell, with nothing on their standard input and their messages
/// thrown away.
class ProcessRunner final : public CommandRunner {
 public:
  /// Errors: not_found where there is no such program, unsupported where it prints too much or takes longer
  /// than the timeout (it is then stopped).
  Result<CommandOutput> run(const std::vector<std::string>& arguments, double timeout_seconds) const override;
};

}  // namespace llmsize::io
