// The only source that includes CLI11: its headers cost about as much to compile as the rest of the command
// line.
#include <algorithm>
#include <map>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "llmsize/cli/command.hpp"
#include "llmsize/core/text.hpp"

namespace llmsize::cli {
namespace {

bool is_long(const std::string& name) {
  return name.starts_with("--");
}
bool is_multi_letter_short(const std::string& name) {
  return !is_long(name) && name.size() > 2;
}

/// The long name that CLI11 shall know an option by.
const std::string& long_name(const Option& option) {
  return *std::find_if(option.names.begin(), option.names.end(), is_long);
}

/// llama.cpp's short flags of several letters ("-ngl"), which CLI11 would read as "-n -g -l", by their long
/// names.
std::map<std::string, std::string> multi_letter_aliases(const Command& command) {
  std::map<std::string, std::string> aliases;
  for (const auto& group : command.groups)
    for (const auto& option : group.options)
      for (const auto& name : option.names)
        if (is_multi_letter_short(name)) aliases[name] = long_name(option);
  return aliases;
}

std::string cli11_names(const Option& option) {
  std::string joined;
  for (const auto& name : option.names)
    if (!is_multi_letter_short(name)) joined += (joined.empty() ? "" : ",") + name;
  return joined;
}

Error unknown_flag(const Command& command, const std::string& word) {
  std::vector<std::string> known;
  for (const auto& group : command.groups)
    for (const auto& option : group.options)
      known.insert(known.end(), option.names.begin(), option.names.end());
  const std::string flag = word.substr(0, word.find('='));
  const std::string near = nearest(flag, known);
  return {ErrorCode::usage, fmt::format("{} has no flag {}", command.name, flag),
          near.empty() ? fmt::format("llmsize {} --help lists them.", command.name)
                       : fmt::format("Did you mean {}?", near)};
}

}  // namespace

Result<void> parse_arguments(const Command& command, std::vector<std::string> arguments) {
  const auto aliases = multi_letter_aliases(command);
  for (auto& word : arguments) {
    const auto equals = word.find('=');
    const auto alias = aliases.find(word.substr(0, equals));
    if (alias != aliases.end())
      word = alias->second + (equals == std::string::npos ? "" : word.substr(equals));
  }

  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  std::map<CLI::Option*, const Option*> by_handle;
  for (const auto& group : command.groups)
    for (const auto& option : group.options) {
      CLI::Option* handle =
          option.value.empty() ? app.add_flag(cli11_names(option)) : app.add_option(cli11_names(option));
      if (!option.value.empty()) handle->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
      by_handle[handle] = &option;
    }
  try {
    std::reverse(arguments.begin(), arguments.end());
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    return fail(ErrorCode::usage, error.what(),
                fmt::format("llmsize {} --help shows each flag's value.", command.name));
  }

  for (const auto& word : app.remaining()) {
    if (word.size() > 1 && word[0] == '-') return tl::unexpected(unknown_flag(command, word));
    if (!command.positionals.apply)
      return fail(ErrorCode::usage, fmt::format("{} takes no \"{}\"", command.name, word),
                  fmt::format("llmsize {} --help shows what it takes.", command.name));
    if (auto applied = command.positionals.apply(word); !applied) return applied;
  }
  // CLI11 lists an option once per occurrence; the n-th listing stands for its n-th value.
  std::map<CLI::Option*, std::size_t> occurrences;
  for (CLI::Option* handle : app.parse_order()) {
    const Option& option = *by_handle.at(handle);
    const std::size_t occurrence = occurrences[handle]++;
    auto applied = option.apply(option.value.empty() ? std::string() : handle->results().at(occurrence));
    if (!applied) {
      applied.error().message = fmt::format("{}: {}", long_name(option), applied.error().message);
      return applied;
    }
  }
  return {};
}

}  // namespace llmsize::cli
