#pragma once
#include <string>
#include <vector>

#include "llmsize/core/result.hpp"

namespace llmsize {

struct CommandOutput {
  int exit_status = 0;
  std::string standard_output;
};

/// Runs another program without a shell and collects what it prints.
class CommandRunner {
 public:
  virtual ~CommandRunner() = default;
  virtual Result<CommandOutput> run(const std::vector<std::string>& arguments,
                                    double timeout_seconds) const = 0;
};

}  // namespace llmsize
