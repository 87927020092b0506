#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "llmsize/app/outcome.hpp"
#include "llmsize/core/result.hpp"

namespace llmsize::cli {

/// One flag of a command. Parsing, help, man page and completions all come from this.
struct Option {
  std::vector<std::string> names;  ///< "-c", "--ctx-size"; llama.cpp's multi-letter "-ngl" is allowed.
  std::string value;               ///< Placeholder such as "N"; empty for a switch.
  std::string help;                ///< One line, with unit and default.
  /// Called once per occurrence with the value ("" for a switch), in command-line order.
  std::function<Result<void>(const std::string&)> apply;
};

struct OptionGroup {
  std::string title;
  std::vector<Option> options;
};

/// A positional argument list: every word that is no option.
struct Positionals {
  std::string placeholder;  ///< "FILE…"; empty: the command takes none.
  std::string help;
  std::function<Result<void>(const std::string&)> apply;
};

/// A subcommand: what it says in help, the flags it takes, and what it does once they are applied.
struct Command {
  std::string name;
  std::string summary;
  std::vector<std::pair<std::string, std::string>> examples;  ///< Command line and what it answers.
  std::vector<OptionGroup> groups;
  Positionals positionals;
  std::function<Result<app::Outcome>()> run;
};

/// Applies `arguments` (without program and subcommand name) to `command`.
/// Errors: usage, naming the flag; for an unknown flag the nearest known one is the hint.
Result<void> parse_arguments(const Command& command, std::vector<std::string> arguments);

/// The help page of one command: usage, examples first, then the flags by group.
std::string command_help(const Command& command);
/// The short page for a bare `llmsize`: three lines to try, then the commands.
std::string overview(const std::vector<Command>& commands);
/// A roff man page of all commands.
std::string man_page(const std::vector<Command>& commands, const std::string& version);
/// A completion script for "bash", "zsh" or "fish".
Result<std::string> completion_script(const std::vector<Command>& commands, const std::string& shell);

}  // namespace llmsize::cli
