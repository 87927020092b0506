#include "llmsize/app/catalog_command.hpp"

#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/app/catalog_addition.hpp"
#include "llmsize/app/catalog_kinds.hpp"
#include "llmsize/app/guide_report.hpp"
#include "llmsize/core/text.hpp"

namespace llmsize::app {
namespace {

using Json = nlohmann::ordered_json;

Json location_json(const catalog::EntryLocation& location) {
  return {{"layer", location.layer}, {"file", location.file}, {"pointer", location.pointer}};
}

Result<std::string> checked_kind(const std::string& word) {
  std::vector<std::string> names;
  for (const auto& kind : catalog_kinds()) {
    // "models" is what a person types for the kind "model".
    if (word == kind.name || word == kind.name + "s") return kind.name;
    names.push_back(kind.name);
  }
  return fail(ErrorCode::usage, fmt::format("there is no catalog of \"{}\"", word),
              fmt::format("There are: {}.", fmt::join(names, ", ")));
}

bool passes_filters(const CatalogOptions& options, const catalog::EntryReference& entry,
                    const nlohmann::json& value) {
  const auto matches = [&](const char* key, const std::string& wanted) {
    return wanted.empty() || lower_case(value.value(key, std::string())) == lower_case(wanted);
  };
  return matches("family", options.family) && matches("architecture", options.architecture) &&
         (options.match.empty() || lower_case(entry.id).find(lower_case(options.match)) != std::string::npos);
}

Outcome list_kinds(const Services& services, bool json) {
  Json document = {{"schema", "llmsize.catalog/1"}, {"kinds", Json::array()}};
  std::string text;
  for (const auto& kind : catalog_kinds()) {
    const auto count = services.catalog.list(kind.name).size();
    document["kinds"].push_back({{"kind", kind.name}, {"entries", count}, {"about", kind.about}});
    text += fmt::format("{:<14} {:>5}  {}\n", kind.name, count, kind.about);
  }
  return {json ? document.dump(2) + '\n' : "Catalogs: `llmsize catalog list KIND` lists one.\n\n" + text};
}

Result<Outcome> list_entries(const Services& services, const CatalogOptions& options) {
  if (options.words.size() == 1) return list_kinds(services, options.json);
  const auto kind = checked_kind(options.words[1]);
  if (!kind) return tl::unexpected(kind.error());
  Json document = {{"schema", "llmsize.catalog/1"}, {"kind", *kind}, {"entries", Json::array()}};
  std::string lines;
  std::size_t shown = 0;
  for (const auto& reference : services.catalog.list(*kind)) {
    const auto value = services.catalog.parse(reference);
    if (!value) return tl::unexpected(value.error());
    if (!passes_filters(options, reference, *value)) continue;
    ++shown;
    const std::string name = value->value("name", std::string());
    document["entries"].push_back(
        {{"id", reference.id},
         {"name", name.empty() ? Json() : Json(name)},
         {"total_params", reference.total_params == 0 ? Json() : Json(reference.total_params)},
         {"location", location_json(reference.location)}});
    lines += fmt::format(
        "{:<44} {:>9}  {}{}\n", reference.id,
        reference.total_params == 0 ? "" : params_text(ParamCount(reference.total_params)), name,
        reference.location.layer == "embedded" ? "" : "  (" + reference.location.describe() + ")");
  }
  if (options.json) return Outcome{document.dump(2) + '\n'};
  return Outcome{
      fmt::format("{} of kind {}. `llmsize catalog show ID` shows one whole.\n\n{}", shown, *kind, lines)};
}

Result<catalog::EntryReference> find_anywhere(const Services& services,
                                              const std::vector<std::string>& words) {
  const std::string& name = words.back();
  std::vector<std::string> suggestions;
  for (const auto& kind : catalog_kinds()) {
    if (words.size() == 3) {
      const auto wanted = checked_kind(words[1]);
      if (!wanted) return tl::unexpected(wanted.error());
      if (*wanted != kind.name) continue;
    }
    if (const auto entry = services.catalog.find_by_name(kind.name, name)) return *entry;
    for (auto& near : services.catalog.similar(kind.name, name, 2)) suggestions.push_back(std::move(near));
  }
  return fail(ErrorCode::not_found, fmt::format("the catalogs have no \"{}\"", name),
              suggestions.empty() ? "llmsize catalog list shows what there is."
                                  : fmt::format("Did you mean {}?", fmt::join(suggestions, ", ")));
}

Result<Outcome> show_entry(const Services& services, const CatalogOptions& options) {
  if (options.words.size() < 2 || options.words.size() > 3)
    return fail(ErrorCode::usage, "show needs an id",
                "For example: llmsize catalog show qwen2.5-7b-instruct.");
  if (options.words.size() == 2 && options.words[1] == "guide") return show_guide(services, options.json);
  const auto reference = find_anywhere(services, options.words);
  if (!reference) return tl::unexpected(reference.error());
  const auto value = services.catalog.parse(*reference);
  if (!value) return tl::unexpected(value.error());
  const Json entry = Json::parse(reference->text);
  if (options.json) {
    const Json document = {{"schema", "llmsize.catalog/1"},
                           {"kind", reference->kind},
                           {"location", location_json(reference->location)},
                           {"entry", entry}};
    return Outcome{document.dump(2) + '\n'};
  }
  return Outcome{fmt::format("{} {} from {}\n\n{}\n", reference->kind, reference->id,
                             reference->location.describe(), entry.dump(2))};
}

struct Finding {
  catalog::EntryLocation location;
  std::string message;
  std::string hint;
};

/// Reads every entry of every kind the way a command would.
std::vector<Finding> findings(const Services& services) {
  std::vector<Finding> found;
  for (const auto& problem : services.catalog.problems())
    found.push_back({problem.location, problem.message, problem.hint});
  for (const auto& kind : catalog_kinds())
    for (const auto& reference : services.catalog.list(kind.name))
      if (const auto checked = kind.check(services, reference); !checked)
        found.push_back({reference.location, checked.error().message, checked.error().hint});
  return found;
}

Outcome validate(const Services& services, bool json) {
  const auto found = findings(services);
  Json document = {{"schema", "llmsize.catalog/1"}, {"problems", Json::array()}};
  std::string text;
  for (const auto& finding : found) {
    document["problems"].push_back({{"location", location_json(finding.location)},
                                    {"message", finding.message},
                                    {"hint", finding.hint}});
    text += fmt::format("{}: {}. {}\n", finding.location.describe(), finding.message, finding.hint);
  }
  const int status = found.empty() ? exit_status::done : exit_status::failed;
  if (json) return {document.dump(2) + '\n', status};
  return {found.empty() ? "Every catalog entry is well-formed.\n"
                        : fmt::format("{} entries cannot be used:\n{}", found.size(), text),
          status};
}

}  // namespace

Result<Outcome> run_catalog(const Services& services, const CatalogOptions& options) {
  const std::string verb = options.words.empty() ? "list" : options.words.front();
  CatalogOptions complete = options;
  if (complete.words.empty()) complete.words = {"list"};
  // A word too many would otherwise pass for something looked at.
  const std::size_t most_words = verb == "validate" ? 1 : verb == "list" ? 2 : complete.words.size();
  if (complete.words.size() > most_words)
    return fail(ErrorCode::usage, fmt::format("catalog {} takes no \"{}\"", verb, complete.words[most_words]),
                "--catalog FOLDER adds a folder of your own, which validate then checks too.");
  if (verb == "list") return list_entries(services, complete);
  if (verb == "show") return show_entry(services, complete);
  if (verb == "add") return add_to_catalog(services, complete);
  if (verb == "validate") return validate(services, complete.json);
  return fail(ErrorCode::usage, fmt::format("catalog cannot \"{}\"", verb),
              "Use list, show, validate or add.");
}

}  // namespace llmsize::app
