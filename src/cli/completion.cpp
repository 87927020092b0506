#include <fmt/format.h>

#include "llmsize/cli/command.hpp"

namespace llmsize::cli {
namespace {

std::string command_names(const std::vector<Command>& commands) {
  std::string names;
  for (const auto& command : commands) names += (names.empty() ? "" : " ") + command.name;
  return names;
}

std::string flag_names(const Command& command) {
  std::string names = "--help";
  for (const auto& group : command.groups)
    for (const auto& option : group.options) names += fmt::format(" {}", fmt::join(option.names, " "));
  return names;
}

std::string bash_script(const std::vector<Command>& commands) {
  std::string cases;
  for (const auto& command : commands)
    cases += fmt::format("    {}) words=\"{}\" ;;\n", command.name, flag_names(command));
  return fmt::format(
      "_llmsize() {{\n  local current=\"${{COMP_WORDS[COMP_CWORD]}}\" words=\"\"\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W \"{} --help --version\" -- "
      "\"$current\"))\n    return\n  fi\n"
      "  case \"${{COMP_WORDS[1]}}\" in\n{}  esac\n"
      "  case \"$current\" in\n    -*) COMPREPLY=($(compgen -W \"$words\" -- \"$current\")) ;;\n"
      "    *) COMPREPLY=($(compgen -f -- \"$current\")) ;;\n  esac\n}}\ncomplete -F _llmsize llmsize\n",
      command_names(commands), cases);
}

std::string zsh_script(const std::vector<Command>& commands) {
  return "#compdef llmsize\nautoload -U +X bashcompinit && bashcompinit\n" + bash_script(commands);
}

/// Single quotes for fish.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return out + "'";
}

std::string fish_script(const std::vector<Command>& commands) {
  std::string script;
  for (const auto& command : commands) {
    script += fmt::format("complete -c llmsize -n __fish_use_subcommand -a {} -d {}\n", command.name,
                          quoted(command.summary));
    for (const auto& group : command.groups)
      for (const auto& option : group.options)
        for (const auto& name : option.names)
          script += fmt::format("complete -c llmsize -n '__fish_seen_subcommand_from {}' {} {} -d {}{}\n",
                                command.name,
                                name.starts_with("--") ? "-l"
                                : name.size() == 2     ? "-s"
                                                       : "-o",
                                name.substr(name.starts_with("--") ? 2 : 1), quoted(option.help),
                                option.value.empty() ? "" : " -r");
  }
  return script;
}

}  // namespace

Result<std::string> completion_script(const std::vector<Command>& commands, const std::string& shell) {
  if (shell == "bash") return bash_script(commands);
  if (shell == "zsh") return zsh_script(commands);
  if (shell == "fish") return fish_script(commands);
  return fail(ErrorCode::usage, fmt::format("no completions for \"{}\"", shell), "Name bash, zsh or fish.");
}

}  // namespace llmsize::cli
