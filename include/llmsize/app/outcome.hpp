#pragma once
#include <string>

namespace llmsize::app {

/// Exit statuses that scripts rely on.
namespace exit_status {
inline constexpr int done = 0;
inline constexpr int failed = 1;
inline constexpr int wrong_usage = 2;
inline constexpr int does_not_fit = 3;
}  // namespace exit_status

/// What a command answers: text for stdout and the process's exit status.
struct Outcome {
  std::string text;
  int exit_status = exit_status::done;
  std::string note = {};  ///< For stderr: one sentence or more without its line's end.
  /// A file's text for stdout, byte for byte; what people read is printed without control characters.
  bool verbatim = false;
};

}  // namespace llmsize::app
