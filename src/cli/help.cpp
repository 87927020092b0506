#include <algorithm>
#include <sstream>

#include <fmt/format.h>

#include "llmsize/cli/command.hpp"

namespace llmsize::cli {
namespace {

constexpr std::size_t help_width = 100;
constexpr std::size_t flag_column = 34;

std::string option_label(const Option& option) {
  std::string label = fmt::format("{}", fmt::join(option.names, ", "));
  return option.value.empty() ? label : label + " " + option.value;
}

/// `text` broken at spaces, with every line after the first indented to `column`.
std::string wrapped(const std::string& text, std::size_t column) {
  std::string out;
  std::size_t at = column;
  std::istringstream words(text);
  std::string word;
  while (words >> word) {
    if (at > column && at + word.size() + 1 > help_width) {
      out += '\n';
      out.append(column, ' ');
      at = column;
    }
    if (at > column) {
      out += ' ';
      ++at;
    }
    out += word;
    at += word.size();
  }
  return out;
}

std::string option_lines(const Option& option) {
  std::string line = "  ";
  line += option_label(option);
  const bool fits = line.size() + 2 <= flag_column;
  if (!fits) line += '\n';
  line.append(fits ? flag_column - line.size() : flag_column, ' ');
  return line + wrapped(option.help, flag_column) + '\n';
}

/// Roff treats backslashes, leading dots and hyphens specially.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '\\' ? "\\e" : c == '-' ? "\\-" : std::string(1, c);
  if (out.starts_with('.')) out.insert(0, "\\&");
  return out;
}

}  // namespace

std::string command_help(const Command& command) {
  std::string page = fmt::format("llmsize {} - {}\n\nExamples\n", command.name, command.summary);
  for (const auto& [line, meaning] : command.examples)
    page += fmt::format("  {}\n      {}\n", line, wrapped(meaning, 6));
  if (!command.positionals.placeholder.empty())
    page += fmt::format("\nArguments\n  {}  {}\n", command.positionals.placeholder,
                        wrapped(command.positionals.help, 6));
  for (const auto& group : command.groups) {
    page += fmt::format("\n{}\n", group.title);
    for (const auto& option : group.options) page += option_lines(option);
  }
  return page;
}

std::string overview(const std::vector<Command>& commands) {
  std::string page =
      "llmsize tells what a language model costs and what this host can run.\n\n"
      "Try\n"
      "  llmsize probe\n"
      "  llmsize estimate --params 32 --quant Q4_K_M\n"
      "  llmsize plan --ram 256\n\n"
      "Commands\n";
  for (const auto& command : commands) page += fmt::format("  {:<10} {}\n", command.name, command.summary);
  return page +
         "\nllmsize help COMMAND shows examples and flags; --json makes every answer one JSON document;\n"
         "llmsize --version names the engine whose rules it follows.\n";
}

std::string man_page(const std::vector<Command>& commands, const std::string& version) {
  std::string page = fmt::format(
      ".TH LLMSIZE 1 \"\" \"llmsize {}\" \"User Commands\"\n.SH NAME\nllmsize \\- what a language model "
      "costs and what a "
      "host can run\n.SH SYNOPSIS\n.B llmsize\n.I COMMAND\n[flags]\n",
      version);
  for (const auto& command : commands) {
    page += fmt::format(".SH {}\n{}\n", roff(command.name), roff(command.summary));
    for (const auto& [line, meaning] : command.examples)
      page += fmt::format(".PP\n.nf\n.B {}\n.fi\n{}\n", roff(line), roff(meaning));
    for (const auto& group : command.groups) {
      page += fmt::format(".SS {}\n", roff(group.title));
      for (const auto& option : group.options)
        page += fmt::format(".TP\n.B {}\n{}\n", roff(option_label(option)), roff(option.help));
    }
  }
  return page +
         ".SH EXIT STATUS\n0 done, 1 could not be done, 2 wrong usage, 3 does not fit the budget that was "
         "named.\n";
}

}  // namespace llmsize::cli
