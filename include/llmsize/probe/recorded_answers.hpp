#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "llmsize/ports/command_runner.hpp"
#include "llmsize/ports/environment.hpp"
#include "llmsize/ports/system_calls.hpp"

namespace llmsize::probe {

/// Where a recorded tree keeps what no file says: answers of the kernel, the processor, programs and the
/// environment. A tree without it (one that another program recorded) has files only.
inline constexpr const char* recorded_answers_path = "/.llmsize/answers";

/// Questions with their answers, one a line: "cpuid 1 0\t806f8 20800 …". Line ends and backslashes inside are
/// escaped.
class Answers {
 public:
  Answers() = default;
  /// Damaged lines are left out.
  explicit Answers(std::string_view text);
  void add(const std::string& question, const std::string& answer) { answers_[question] = answer; }
  /// Puts `to` in the place of `from` in every answer.
  void replace(const std::string& from, const std::string& to);
  [[nodiscard]] std::optional<std::string> find(const std::string& question) const;
  [[nodiscard]] std::string text() const;

 private:
  std::map<std::string, std::string> answers_;
};

/// The question for an environment variable.
std::string variable_question(const std::string& name);

/// Asks the running machine and remembers. What a library answers is added by whoever asks it.
class AnswerRecorder {
 public:
  AnswerRecorder(const SystemCalls& system, const CommandRunner* commands, const Environment& environment);
  ~AnswerRecorder();
  AnswerRecorder(const AnswerRecorder&) = delete;
  AnswerRecorder& operator=(const AnswerRecorder&) = delete;
  [[nodiscard]] const SystemCalls& system() const;
  [[nodiscard]] const CommandRunner* commands() const;
  [[nodiscard]] const Environment& environment() const;
  [[nodiscard]] Answers& answers() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// Gives recorded answers; what was not asked then is unknown now.
class AnswerReplay {
 public:
  explicit AnswerReplay(Answers answers);
  ~AnswerReplay();
  AnswerReplay(const AnswerReplay&) = delete;
  AnswerReplay& operator=(const AnswerReplay&) = delete;
  [[nodiscard]] const SystemCalls& system() const;
  [[nodiscard]] const CommandRunner& commands() const;
  [[nodiscard]] const Environment& environment() const;
  [[nodiscard]] Answers& answers() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace llmsize::probe
