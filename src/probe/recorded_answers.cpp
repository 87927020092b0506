#include "llmsize/probe/recorded_answers.hpp"

#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "llmsize/probe/text.hpp"

namespace llmsize::probe {
namespace {

constexpr const char *affinity_question = "affinity", *memory_question = "physical memory",
                     *machine_question = "machine", *state_question = "xgetbv", *tiles_question = "tiles",
                     *arm_question = "hwcap";

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '\\' || c == '\n' || c == '\t') result += '\\';
    result += c == '\n' ? 'n' : c == '\t' ? 't' : c;
  }
  return result;
}

std::string unescaped(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\' || at + 1 == text.size()) {
      result += text[at];
      continue;
    }
    const char c = text[++at];
    result += c == 'n' ? '\n' : c == 't' ? '\t' : c;
  }
  return result;
}

std::string cpuid_question(std::uint32_t leaf, std::uint32_t subleaf) {
  return fmt::format("cpuid {:x} {:x}", leaf, subleaf);
}
std::string cpuid_on_question(int cpu, std::uint32_t leaf, std::uint32_t subleaf) {
  return fmt::format("cpuid {:x} {:x} on {}", leaf, subleaf, cpu);
}
std::string regions_question(const std::string& device, const std::string& driver) {
  return fmt::format("memory regions {} {}", driver, device);
}

std::string hexadecimal(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

/// The inverse; what is no digit ends it.
std::string from_hexadecimal(std::string_view text) {
  std::string bytes;
  for (; text.size() >= 2; text.remove_prefix(2)) {
    const auto byte = parse_hexadecimal(text.substr(0, 2));
    if (!byte) break;
    bytes += static_cast<char>(*byte);
  }
  return bytes;
}

CpuidRegisters registers_of(const std::vector<std::uint64_t>& numbers) {
  CpuidRegisters registers{};
  for (std::size_t i = 0; i < registers.size(); ++i) registers[i] = static_cast<std::uint32_t>(numbers[i]);
  return registers;
}

std::string path_question(const char* what, const std::string& path) {
  return fmt::format("{} {}", what, path);
}
std::string command_question(const std::vector<std::string>& arguments) {
  return fmt::format("run {}", fmt::join(arguments, " "));
}
/// The numbers of an answer in base 16; nothing unless there are `count`.
std::optional<std::vector<std::uint64_t>> numbers_of(const std::optional<std::string>& answer,
                                                     std::size_t count) {
  if (!answer) return std::nullopt;
  std::vector<std::uint64_t> numbers;
  for (const auto field : fields_of(*answer))
    if (const auto number = parse_hexadecimal(field)) numbers.push_back(*number);
  return numbers.size() == count ? std::optional(std::move(numbers)) : std::nullopt;
}

class RecordingProcessor final : public ProcessorRegisters {
 public:
  RecordingProcessor(const ProcessorRegisters& processor, Answers& answers)
      : processor_(processor), answers_(answers) {}
  [[nodiscard]] std::optional<CpuidRegisters> cpuid(std::uint32_t leaf,
                                                    std::uint32_t subleaf) const override {
    const auto registers = processor_.cpuid(leaf, subleaf);
    if (registers)
      answers_.add(cpuid_question(leaf, subleaf), fmt::format("{:x}", fmt::join(*registers, " ")));
    return registers;
  }
  [[nodiscard]] std::optional<CpuidRegisters> cpuid_on(int cpu, std::uint32_t leaf,
                                                       std::uint32_t subleaf) const override {
    const auto registers = processor_.cpuid_on(cpu, leaf, subleaf);
    if (registers)
      answers_.add(cpuid_on_question(cpu, leaf, subleaf), fmt::format("{:x}", fmt::join(*registers, " ")));
    return registers;
  }
  [[nodiscard]] std::uint64_t enabled_state() const override {
    const std::uint64_t state = processor_.enabled_state();
    answers_.add(state_question, fmt::format("{:x}", state));
    return state;
  }
  [[nodiscard]] bool tiles_permitted() const override {
    const bool permitted = processor_.tiles_permitted();
    answers_.add(tiles_question, permitted ? "1" : "0");
    return permitted;
  }
  [[nodiscard]] std::optional<std::array<std::uint64_t, 2>> arm_capabilities() const override {
    const auto words = processor_.arm_capabilities();
    if (words) answers_.add(arm_question, fmt::format("{:x}", fmt::join(*words, " ")));
    return words;
  }

 private:
  const ProcessorRegisters& processor_;
  Answers& answers_;
};

class RecordingSystem final : public SystemCalls {
 public:
  RecordingSystem(const SystemCalls& system, Answers& answers)
      : system_(system), answers_(answers), processor_(system.processor(), answers) {}
  [[nodiscard]] std::optional<std::vector<int>> affinity() const override {
    auto cpus = system_.affinity();
    if (cpus) answers_.add(affinity_question, cpu_list_text(*cpus));
    return cpus;
  }
  [[nodiscard]] std::optional<Bytes> free_space(const std::string& path) const override {
    const auto bytes = system_.free_space(path);
    if (bytes) answers_.add(path_question("free", path), std::to_string(bytes->value()));
    return bytes;
  }
  [[nodiscard]] std::optional<std::string> real_path(const std::string& path) const override {
    auto real = system_.real_path(path);
    if (!real) return real;
    // A replay that names no folder looks at the same one.
    for (const std::string& asked : {path, std::string(".")})
      answers_.add(path_question("real", asked), *real);
    return real;
  }
  [[nodiscard]] std::optional<Bytes> physical_memory() const override {
    const auto bytes = system_.physical_memory();
    if (bytes) answers_.add(memory_question, std::to_string(bytes->value()));
    return bytes;
  }
  [[nodiscard]] std::optional<std::string> machine() const override {
    auto name = system_.machine();
    if (name) answers_.add(machine_question, *name);
    return name;
  }
  [[nodiscard]] const ProcessorRegisters& processor() const override { return processor_; }
  [[nodiscard]] std::optional<std::string> memory_regions(const std::string& device,
                                                          const std::string& driver) const override {
    auto regions = system_.memory_regions(device, driver);
    if (regions) answers_.add(regions_question(device, driver), hexadecimal(*regions));
    return regions;
  }
  [[nodiscard]] Result<std::unique_ptr<DynamicLibrary>> open_library(const std::string& name) const override {
    return system_.open_library(name);
  }

 private:
  const SystemCalls& system_;
  Answers& answers_;
  RecordingProcessor processor_;
};

class RecordingCommands final : public CommandRunner {
 public:
  RecordingCommands(const CommandRunner* commands, Answers& answers)
      : commands_(commands), answers_(answers) {}
  Result<CommandOutput> run(const std::vector<std::string>& arguments,
                            double timeout_seconds) const override {
    auto output = commands_->run(arguments, timeout_seconds);
    if (output && output->exit_status == 0)
      answers_.add(command_question(arguments), output->standard_output);
    return output;
  }

 private:
  const CommandRunner* commands_;
  Answers& answers_;
};

class RecordingEnvironment final : public Environment {
 public:
  RecordingEnvironment(const Environment& environment, Answers& answers)
      : environment_(environment), answers_(answers) {}
  [[nodiscard]] std::optional<std::string> variable(const std::string& name) const override {
    auto value = environment_.variable(name);
    if (value) answers_.add(variable_question(name), *value);
    return value;
  }

 private:
  const Environment& environment_;
  Answers& answers_;
};

class RecordedProcessor final : public ProcessorRegisters {
 public:
  explicit RecordedProcessor(const Answers& answers) : answers_(answers) {}
  [[nodiscard]] std::optional<CpuidRegisters> cpuid(std::uint32_t leaf,
                                                    std::uint32_t subleaf) const override {
    const auto numbers = numbers_of(answers_.find(cpuid_question(leaf, subleaf)), 4);
    if (!numbers) return std::nullopt;
    return registers_of(*numbers);
  }
  [[nodiscard]] std::optional<CpuidRegisters> cpuid_on(int cpu, std::uint32_t leaf,
                                                       std::uint32_t subleaf) const override {
    const auto numbers = numbers_of(answers_.find(cpuid_on_question(cpu, leaf, subleaf)), 4);
    if (!numbers) return std::nullopt;
    return registers_of(*numbers);
  }
  [[nodiscard]] std::uint64_t enabled_state() const override {
    const auto numbers = numbers_of(answers_.find(state_question), 1);
    return numbers ? numbers->front() : 0;
  }
  [[nodiscard]] bool tiles_permitted() const override { return answers_.find(tiles_question) == "1"; }
  [[nodiscard]] std::optional<std::array<std::uint64_t, 2>> arm_capabilities() const override {
    const auto numbers = numbers_of(answers_.find(arm_question), 2);
    if (!numbers) return std::nullopt;
    return std::array<std::uint64_t, 2>{(*numbers)[0], (*numbers)[1]};
  }

 private:
  const Answers& answers_;
};

class RecordedSystem final : public SystemCalls {
 public:
  explicit RecordedSystem(const Answers& answers) : answers_(answers), processor_(answers) {}
  [[nodiscard]] std::optional<std::vector<int>> affinity() const override {
    const auto text = answers_.find(affinity_question);
    return text ? parse_cpu_list(*text) : std::nullopt;
  }
  [[nodiscard]] std::optional<Bytes> free_space(const std::string& path) const override {
    return size(path_question("free", path));
  }
  [[nodiscard]] std::optional<std::string> real_path(const std::string& path) const override {
    if (auto real = answers_.find(path_question("real", path))) return real;
    // A folder that was not asked about then: as it is written.
    return path.starts_with('/') ? std::optional(path) : std::nullopt;
  }
  [[nodiscard]] std::optional<Bytes> physical_memory() const override { return size(memory_question); }
  [[nodiscard]] std::optional<std::string> machine() const override {
    return answers_.find(machine_question);
  }
  [[nodiscard]] const ProcessorRegisters& processor() const override { return processor_; }
  [[nodiscard]] std::optional<std::string> memory_regions(const std::string& device,
                                                          const std::string& driver) const override {
    const auto text = answers_.find(regions_question(device, driver));
    return text ? std::optional(from_hexadecimal(*text)) : std::nullopt;
  }
  [[nodiscard]] Result<std::unique_ptr<DynamicLibrary>> open_library(const std::string& name) const override {
    return fail(ErrorCode::unsupported, name + " is not opened in a replay");
  }

 private:
  [[nodiscard]] std::optional<Bytes> size(const std::string& question) const {
    const auto text = answers_.find(question);
    const auto number = text ? parse_integer(*text) : std::nullopt;
    return number && *number >= 0 && *number < Bytes::highest ? std::optional(Bytes(*number)) : std::nullopt;
  }
  const Answers& answers_;
  RecordedProcessor processor_;
};

class RecordedCommands final : public CommandRunner {
 public:
  explicit RecordedCommands(const Answers& answers) : answers_(answers) {}
  Result<CommandOutput> run(const std::vector<std::string>& arguments, double) const override {
    auto output = answers_.find(command_question(arguments));
    if (!output) return fail(ErrorCode::not_found, arguments.front() + " was not run while recording");
    return CommandOutput{0, std::move(*output)};
  }

 private:
  const Answers& answers_;
};

class RecordedEnvironment final : public Environment {
 public:
  explicit RecordedEnvironment(const Answers& answers) : answers_(answers) {}
  [[nodiscard]] std::optional<std::string> variable(const std::string& name) const override {
    return answers_.find(variable_question(name));
  }

 private:
  const Answers& answers_;
};

}  // namespace

std::string variable_question(const std::string& name) {
  return "variable " + name;
}

Answers::Answers(std::string_view text) {
  for (const auto line : lines_of(text)) {
    const auto tab = line.find('\t');
    if (tab != std::string_view::npos)
      answers_.emplace(unescaped(line.substr(0, tab)), unescaped(line.substr(tab + 1)));
  }
}

void Answers::replace(const std::string& from, const std::string& to) {
  if (from.empty()) return;
  for (auto& [question, answer] : answers_)
    for (std::size_t at = 0; (at = answer.find(from, at)) != std::string::npos; at += to.size())
      answer.replace(at, from.size(), to);
}

std::optional<std::string> Answers::find(const std::string& question) const {
  const auto found = answers_.find(question);
  return found == answers_.end() ? std::nullopt : std::optional(found->second);
}

std::string Answers::text() const {
  std::string text;
  for (const auto& [question, answer] : answers_)
    text += fmt::format("{}\t{}\n", escaped(question), escaped(answer));
  return text;
}

struct AnswerRecorder::Parts {
  Parts(const SystemCalls& from_system, const CommandRunner* from_commands,
        const Environment& from_environment)
      : system(from_system, answers),
        commands(from_commands, answers),
        environment(from_environment, answers),
        has_commands(from_commands != nullptr) {}
  Answers answers;
  RecordingSystem system;
  RecordingCommands commands;
  RecordingEnvironment environment;
  bool has_commands;
};

AnswerRecorder::AnswerRecorder(const SystemCalls& system, const CommandRunner* commands,
                               const Environment& environment)
    : parts_(std::make_unique<Parts>(system, commands, environment)) {}
AnswerRecorder::~AnswerRecorder() = default;
const SystemCalls& AnswerRecorder::system() const {
  return parts_->system;
}
const CommandRunner* AnswerRecorder::commands() const {
  return parts_->has_commands ? &parts_->commands : nullptr;
}
const Environment& AnswerRecorder::environment() const {
  return parts_->environment;
}
Answers& AnswerRecorder::answers() const {
  return parts_->answers;
}

struct AnswerReplay::Parts {
  explicit Parts(Answers recorded)
      : answers(std::move(recorded)), system(answers), commands(answers), environment(answers) {}
  Answers answers;
  RecordedSystem system;
  RecordedCommands commands;
  RecordedEnvironment environment;
};

AnswerReplay::AnswerReplay(Answers answers) : parts_(std::make_unique<Parts>(std::move(answers))) {}
AnswerReplay::~AnswerReplay() = default;
const SystemCalls& AnswerReplay::system() const {
  return parts_->system;
}
const CommandRunner& AnswerReplay::commands() const {
  return parts_->commands;
}
const Environment& AnswerReplay::environment() const {
  return parts_->environment;
}
Answers& AnswerReplay::answers() const {
  return parts_->answers;
}

}  // namespace llmsize::probe
