#include "llmsize/app/compare_command.hpp"

#include <map>
#include <memory>

#include <fmt/format.h>

#include "llmsize/cli/commands.hpp"
#include "llmsize/cli/estimate_flags.hpp"
#include "llmsize/cli/setters.hpp"

namespace llmsize::cli {
namespace {

/// A page of more columns than this cannot be read.
constexpr std::size_t most_columns = 16;

struct CompareFlags {
  EstimateFlags common;
  std::vector<std::string> items;
};

/// Words as a shell would part them: quotes of either kind keep spaces ("--gpu 'RTX 4090'").
Result<std::vector<std::string>> words_of(const std::string& text) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = '\0';
  for (const char c : text) {
    if (quote == '\0' && c == ' ') {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    const bool opens = quote == '\0' && (c == '\'' || c == '"');
    const bool closes = quote != '\0' && c == quote;
    if (opens || closes)
      quote = opens ? c : '\0';
    else
      words.back() += c;
  }
  if (quote != '\0')
    return fail(ErrorCode::usage, fmt::format("item \"{}\": a quote is not closed", text), "Close it.");
  return words;
}

/// The catalog knows the word as a file type, so it changes the common model's quant.
bool is_quant(const app::Services& services, const std::string& word) {
  return services.catalog.find_by_name("file_type", word).has_value();
}

/// Sets what the item's first word names: a file type, a model, or MODEL:QUANT.
void name_model(const app::Services& services, const std::string& word, app::EstimateOptions& options) {
  if (!options.sizing.model.empty() && is_quant(services, word)) {
    options.sizing.quant = word;
    return;
  }
  options.sizing.model = word;
  const auto colon = word.rfind(':');
  if (colon == std::string::npos || !is_quant(services, word.substr(colon + 1))) return;
  options.sizing.quant = word.substr(colon + 1);
  options.sizing.model = word.substr(0, colon);
}

/// The host of each file that items name, looked at once.
using Hosts = std::map<std::string, Host>;

/// An item is a model or a file type, and flags that hold for it alone.
Result<app::ComparedOptions> column_of(const app::Services& services, const EstimateFlags& common,
                                       const std::string& item, Hosts& hosts) {
  auto parted = words_of(item);
  if (!parted) return tl::unexpected(parted.error());
  auto& words = *parted;
  if (words.empty()) return fail(ErrorCode::usage, "an empty item cannot be compared");
  EstimateFlags flags = common;
  name_model(services, words.front(), flags.options);
  words.erase(words.begin());
  Command command;
  command.name = "compare";
  command.groups = item_groups(flags, services.types);
  if (auto parsed = parse_arguments(command, std::move(words)); !parsed)
    return tl::unexpected(parsed.error());
  auto known = hosts.find(flags.host_file);
  if (known == hosts.end() || !flags.host_file.empty()) {
    auto host = judging_host(services, flags);
    if (!host) return tl::unexpected(host.error());
    known = hosts.insert_or_assign(flags.host_file, std::move(*host)).first;
  }
  return app::ComparedOptions{item, flags.options, known->second};
}

Result<app::Outcome> run(const app::Services& services, const CompareFlags& flags) {
  if (flags.items.size() < 2)
    return fail(ErrorCode::usage, "compare needs at least two items",
                "llmsize compare qwen3-8b qwen3-14b, or llmsize compare -m qwen3-8b Q4_K_M Q8_0");
  if (flags.items.size() > most_columns)
    return fail(ErrorCode::usage, fmt::format("compare shows at most {} items", most_columns), "Name fewer.");
  std::vector<app::ComparedOptions> columns;
  Hosts hosts;
  for (const auto& item : flags.items) {
    auto column = column_of(services, flags.common, item, hosts);
    if (!column) return tl::unexpected(column.error());
    columns.push_back(std::move(*column));
  }
  return app::compare(services, columns, flags.common.options.json);
}

}  // namespace

Command compare_command(const app::Services& services) {
  auto flags = std::make_shared<CompareFlags>();
  Command command;
  command.name = "compare";
  command.summary = "models, quants or settings side by side";
  command.examples = {
      {"llmsize compare qwen3-8b qwen3-14b qwen3-32b --quant Q4_K_M --ram 32", "models under one budget"},
      {"llmsize compare -m qwen3-32b Q4_K_M Q6_K Q8_0", "file types of one model"},
      {"llmsize compare \"qwen3-32b -c 8192\" \"qwen3-32b -c 65536 -ctk q8_0 -ctv q8_0\"",
       "settings: each item may bring flags of its own"}};
  command.groups = item_groups(flags->common, services.types);
  command.groups.push_back(
      {"Answer", {{{"--json"}, "", "one JSON document", set_true(flags->common.options.json)}}});
  command.positionals = {"ITEM…",
                         "a model, MODEL:QUANT, or with -m a file type; flags may follow within quotes",
                         [flags](const std::string& word) -> Result<void> {
                           flags->items.push_back(word);
                           return {};
                         }};
  command.run = [flags, &services] { return run(services, *flags); };
  return command;
}

}  // namespace llmsize::cli
