#include <algorithm>
#include <cstdio>
#include <exception>

#include <fmt/format.h>

#include "llmsize/app/catalog_folders.hpp"
#include "llmsize/app/outcome.hpp"
#include "llmsize/catalog/types.hpp"
#include "llmsize/cli/commands.hpp"
#include "llmsize/cli/version.hpp"
#include "llmsize/core/engine.hpp"
#include "llmsize/core/text.hpp"
#include "llmsize/io/benchmarks.hpp"
#include "llmsize/io/curl_client.hpp"
#include "llmsize/io/local_files.hpp"
#include "llmsize/io/logging.hpp"
#include "llmsize/io/process.hpp"
#include "llmsize/io/system_calls.hpp"
#include "llmsize/render/error.hpp"

namespace llmsize::cli {
namespace {

using Words = std::vector<std::string>;

/// Flags that every command understands, taken out of the words before the command sees them.
struct GlobalFlags {
  std::vector<std::string> catalogs;
  bool json = false;
  bool help = false;
  bool version = false;
  bool man_page = false;
  std::string completion_shell;
};

Result<GlobalFlags> take_global_flags(Words& words) {
  GlobalFlags flags;
  Words rest;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const auto value_of = [&](const std::string& name) -> Result<std::string> {
      if (word.size() > name.size()) return word.substr(name.size() + 1);
      if (i + 1 == words.size()) return fail(ErrorCode::usage, fmt::format("{} needs a value", name));
      return words[++i];
    };
    if (word == "--catalog" || word.starts_with("--catalog=")) {
      const auto folder = value_of("--catalog");
      if (!folder) return tl::unexpected(folder.error());
      flags.catalogs.push_back(*folder);
    } else if (word == "--completions" || word.starts_with("--completions=")) {
      const auto shell = value_of("--completions");
      if (!shell) return tl::unexpected(shell.error());
      flags.completion_shell = *shell;
    } else if (word == "-v" || word == "--verbose") {
      io::enable_logging();
    } else if (word == "-h" || word == "--help") {
      flags.help = true;
    } else if (word == "--version") {
      flags.version = true;
    } else if (word == "--man-page") {
      flags.man_page = true;
    } else {
      flags.json = flags.json || word == "--json";
      rest.push_back(word);
    }
  }
  words = std::move(rest);
  return flags;
}

/// The embedded catalogs under the user's: XDG folders that exist, then each --catalog, which must exist.
Result<catalog::Catalog> open_catalogs(const FileReader& files, const Environment& environment,
                                       const GlobalFlags& flags) {
  auto catalog = catalog::Catalog::embedded();
  for (const auto& folder : app::user_catalog_folders(environment))
    if (files.is_folder(folder)) {
      io::log(fmt::format("catalog layer {}", folder));
      catalog.add_layer(files, folder);
    }
  for (const auto& folder : flags.catalogs) {
    if (const auto names = files.list(folder); !names)
      return fail(names.error().code, fmt::format("--catalog {}", names.error().message), names.error().hint);
    catalog.add_layer(files, folder);
  }
  return catalog;
}

Error unknown_command(const std::vector<Command>& commands, const std::string& word) {
  if (word.starts_with('-'))
    return {ErrorCode::usage, fmt::format("there is no flag {} before a command", word),
            "Begin with a command, as llmsize estimate; llmsize --help lists them."};
  std::vector<std::string> names;
  for (const auto& known : commands) names.push_back(known.name);
  const std::string near = nearest(word, names);
  return {ErrorCode::usage, fmt::format("there is no command \"{}\"", word),
          near.empty() ? "llmsize --help lists them." : fmt::format("Did you mean {}?", near)};
}

Result<app::Outcome> answer(const GlobalFlags& flags, Words words, const app::Services& services) {
  const auto commands = all_commands(services);
  if (flags.man_page) return app::Outcome{man_page(commands, version)};
  if (!flags.completion_shell.empty()) {
    auto script = completion_script(commands, flags.completion_shell);
    if (!script) return tl::unexpected(script.error());
    return app::Outcome{std::move(*script)};
  }
  // "llmsize help plan" is "llmsize plan --help".
  const bool help = flags.help || (!words.empty() && words.front() == "help");
  if (!words.empty() && words.front() == "help") words.erase(words.begin());
  if (words.empty()) return app::Outcome{overview(commands)};
  const std::string name = words.front();
  words.erase(words.begin());
  const auto command =
      std::find_if(commands.begin(), commands.end(), [&](const Command& c) { return c.name == name; });
  if (command == commands.end()) return tl::unexpected(unknown_command(commands, name));
  if (help) return app::Outcome{command_help(*command)};
  if (auto parsed = parse_arguments(*command, std::move(words)); !parsed)
    return tl::unexpected(parsed.error());
  return command->run();
}

/// Words of files, firmware and recordings must not steer the terminal that they are shown on.
std::string for_people(std::string text) {
  return printable(std::move(text), "\n\t");
}

void complain(const std::string& text) {
  std::fputs(for_people(text).c_str(), stderr);
}

/// stdout whole, or an error: a full disk behind a redirection must not pass for success.
bool print(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

int exit_status_of(const Error& error) {
  if (error.code == ErrorCode::usage) return app::exit_status::wrong_usage;
  return error.code == ErrorCode::does_not_fit ? app::exit_status::does_not_fit : app::exit_status::failed;
}

int report(const Error& error, bool json) {
  if (!json) {
    complain(render::error_text(error));
  } else if (!print(render::error_json(error))) {
    return app::exit_status::failed;
  }
  return exit_status_of(error);
}

void warn_of(const catalog::Catalog& catalog) {
  for (const auto& problem : catalog.problems())
    complain(
        fmt::format("warning: {}: {}. {}\n", problem.location.describe(), problem.message, problem.hint));
}

int run(Words words) {
  const bool wants_json = std::find(words.begin(), words.end(), "--json") != words.end();
  const auto flags = take_global_flags(words);
  if (!flags) return report(flags.error(), wants_json);
  if (flags->version) {
    const std::string text = fmt::format("llmsize {}\nfollows the allocation rules of {} {}\n", version,
                                         engine::name, engine::version);
    return print(text) ? app::exit_status::done : app::exit_status::failed;
  }
  const io::LocalFiles files;
  const io::LocalWriter writer;
  const io::ProcessEnvironment environment;
  const auto catalog = open_catalogs(files, environment, *flags);
  if (!catalog) return report(catalog.error(), flags->json);
  const auto types = catalog::load_tensor_types(*catalog);
  if (!types) return report(types.error(), flags->json);
  const io::LocalSystem system;
  const io::LocalBenchmarks benchmarks;
  const io::ProcessRunner commands;
  const io::CurlClient http(system);
  const app::Services services{files,   writer,      environment, *catalog, *types,
                               &system, &benchmarks, &commands,   &http};
  // `catalog validate` answers with them.
  if (words != Words{"catalog", "validate"}) warn_of(*catalog);

  const auto outcome = answer(*flags, std::move(words), services);
  if (!outcome) return report(outcome.error(), flags->json);
  if (!outcome->note.empty()) complain(fmt::format("note: {}\n", outcome->note));
  if (print(outcome->verbatim ? outcome->text : for_people(outcome->text))) return outcome->exit_status;
  std::fputs("error: stdout could not be written. Is the disk full?\n", stderr);
  return app::exit_status::failed;
}

}  // namespace
}  // namespace llmsize::cli

int main(int argc, char** argv) {
  try {
    return llmsize::cli::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fputs(fmt::format("error: llmsize has a bug: {}\n", error.what()).c_str(), stderr);
    return llmsize::app::exit_status::failed;
  }
}
