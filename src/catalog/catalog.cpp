#include "llmsize/catalog/catalog.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/embedded.hpp"
#include "llmsize/catalog/entry_rules.hpp"
#include "llmsize/core/text.hpp"

namespace llmsize::catalog {
namespace {

EntryReference reference(const EmbeddedEntry& entry) {
  return {entry.kind,
          entry.id,
          entry.aliases,
          entry.total_params,
          {"embedded", std::string(entry.file), fmt::format("/entries/{}", entry.position)},
          entry.text};
}

/// Letters and digits in lower case, dots kept: the form in which names are compared.
std::string folded(std::string_view name) {
  std::string out;
  for (const char c : name)
    if (c == '.' || std::isalnum(static_cast<unsigned char>(c)))
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

/// Whether `name` folds to `folded_name`, without making the folded text.
bool folds_to(std::string_view name, std::string_view folded_name) {
  std::size_t at = 0;
  for (const char c : name) {
    if (c != '.' && std::isalnum(static_cast<unsigned char>(c)) == 0) continue;
    if (at == folded_name.size() || std::tolower(static_cast<unsigned char>(c)) != folded_name[at])
      return false;
    ++at;
  }
  return at == folded_name.size();
}

bool answers_to(std::string_view id, std::string_view aliases, std::string_view folded_name) {
  if (folds_to(id, folded_name)) return true;
  while (!aliases.empty()) {
    const auto end = aliases.find('\n');
    if (folds_to(aliases.substr(0, end), folded_name)) return true;
    aliases.remove_prefix(end == std::string_view::npos ? aliases.size() : end + 1);
  }
  return false;
}

/// How far a name is from the one wanted, or from one that holds it ("9654" is in "AMD EPYC 9654"), and among
/// those as far, from the whole.
using Likeness = std::pair<std::size_t, std::size_t>;

/// A name that was not found, as it is compared.
struct WantedName {
  std::string folded;
  std::vector<std::string> words;
};

WantedName wanted_name(std::string_view name) {
  WantedName wanted{folded(name), {}};
  for (std::size_t at = 0; at < name.size();) {
    const auto end = std::min(name.find_first_of(" -_:", at), name.size());
    if (end > at) wanted.words.push_back(folded(name.substr(at, end - at)));
    at = end + 1;
  }
  return wanted;
}

/// Nothing where the two have little in common.
std::optional<Likeness> likeness(std::string_view name, const WantedName& wanted) {
  const std::string known = folded(name);
  const std::size_t length = wanted.folded.size();
  const std::size_t whole = edit_distance(known, wanted.folded);
  if (known.starts_with(wanted.folded)) return Likeness{0, whole};
  std::optional<Likeness> best;
  if (whole <= std::max<std::size_t>(2, length / 3)) best = {whole, whole};
  // A letter alone is in nearly every name.
  constexpr std::size_t shortest_part = 2;
  if (length < shortest_part) return best;
  // A part comes after a whole name that is as near.
  const bool holds_words =
      std::all_of(wanted.words.begin(), wanted.words.end(),
                  [&](const std::string& word) { return known.find(word) != std::string::npos; });
  const std::size_t part = holds_words ? 0 : edit_distance_within(wanted.folded, known);
  if (part <= length / 4)
    best = std::min(best.value_or(Likeness{part + 1, whole}), Likeness{part + 1, whole});
  return best;
}

/// The nearest of an entry's id and aliases.
std::optional<Likeness> likeness(const EntryReference& entry, const WantedName& wanted) {
  auto best = likeness(entry.id, wanted);
  for (std::string_view rest = entry.aliases; !rest.empty();) {
    const auto end = rest.find('\n');
    if (const auto found = likeness(rest.substr(0, end), wanted))
      best = std::min(best.value_or(*found), *found);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return best;
}

std::string joined_aliases(const nlohmann::json& entry) {
  std::string out;
  const auto aliases = entry.find("aliases");
  if (aliases == entry.end() || !aliases->is_array()) return out;
  for (const auto& alias : *aliases)
    if (alias.is_string()) out += alias.get<std::string>() + '\n';
  return out;
}

}  // namespace

std::string EntryLocation::describe() const {
  return layer == "embedded" ? fmt::format("data/{}#{}", file, pointer)
                             : fmt::format("{}/{}#{}", layer, file, pointer);
}

Catalog Catalog::embedded() {
  return {};
}

void Catalog::add_layer(const FileReader& files, const std::string& folder) {
  const auto names = files.list(folder);
  if (!names) {
    problems_.push_back({{folder, "", ""}, names.error().message, names.error().hint});
    return;
  }
  for (const auto& name : *names) {
    if (!name.ends_with(".json")) continue;
    const auto text = files.read_text(folder + "/" + name);
    if (!text) {
      problems_.push_back({{folder, name, ""}, text.error().message, text.error().hint});
      continue;
    }
    const auto document = nlohmann::json::parse(*text, nullptr, false);
    if (document.is_discarded() || !document.is_object() || !document.contains("kind") ||
        !document["kind"].is_string() || !document.contains("entries") || !document["entries"].is_array()) {
      problems_.push_back({{folder, name, ""},
                           document.is_discarded() ? "is not valid JSON" : "is not a catalog file",
                           R"(A catalog file is {"kind": "model", "entries": [{"id": "…", …}]}.)"});
      continue;
    }
    const std::string kind = document["kind"];
    if (!is_entry_kind(kind)) {
      problems_.push_back({{folder, name, "/kind"},
                           fmt::format("there is no catalog of \"{}\"", kind),
                           "llmsize catalog list names the kinds."});
      continue;
    }
    std::size_t position = 0;
    for (const auto& entry : document["entries"]) {
      EntryLocation location{folder, name, fmt::format("/entries/{}", position++)};
      if (!entry.is_object() || !entry.contains("id") || !entry["id"].is_string() ||
          entry["id"].get<std::string>().empty()) {
        problems_.push_back(
            {std::move(location), "an entry without an \"id\"", "Give it a text that names it."});
        continue;
      }
      if (const auto faults = entry_faults(kind, entry); !faults.empty()) {
        for (const auto& fault : faults)
          problems_.push_back(
              {{folder, name, location.pointer + fault.pointer},
               fmt::format("{} \"{}\": {}", kind, entry["id"].get<std::string>(), fault.message),
               fmt::format("The entry is left out until then; docs/schema/{}.schema.json has the form.",
                           kind)});
        continue;
      }
      const auto params = entry.find("total_params");
      const std::int64_t total =
          params != entry.end() && params->is_number_integer() ? params->get<std::int64_t>() : 0;
      user_entries_.insert_or_assign(
          {kind, entry["id"].get<std::string>()},
          UserEntry{joined_aliases(entry), total, std::move(location), entry.dump()});
    }
  }
}

std::vector<EntryReference> Catalog::list(std::string_view kind) const {
  std::vector<EntryReference> out;
  for (const auto& entry : embedded_entries())
    if (entry.kind == kind &&
        (user_entries_.empty() || !user_entries_.contains({std::string(kind), std::string(entry.id)})))
      out.push_back(reference(entry));
  for (const auto& [key, entry] : user_entries_)
    if (key.first == kind)
      out.push_back({key.first, key.second, entry.aliases, entry.total_params, entry.location, entry.text});
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return out;
}

std::optional<EntryReference> Catalog::find(std::string_view kind, std::string_view id) const {
  const auto user = user_entries_.find({std::string(kind), std::string(id)});
  if (user != user_entries_.end()) {
    const auto& [key, entry] = *user;
    return EntryReference{key.first,          key.second,     entry.aliases,
                          entry.total_params, entry.location, entry.text};
  }
  const auto entries = embedded_entries();
  const auto before = [](const EmbeddedEntry& entry,
                         const std::pair<std::string_view, std::string_view>& key) {
    return entry.kind != key.first ? entry.kind < key.first : entry.id < key.second;
  };
  const auto found = std::lower_bound(entries.begin(), entries.end(), std::pair(kind, id), before);
  if (found == entries.end() || found->kind != kind || found->id != id) return std::nullopt;
  return reference(*found);
}

std::optional<EntryReference> Catalog::find_by_name(std::string_view kind, std::string_view name) const {
  if (auto exact = find(kind, name)) return exact;
  const std::string wanted = folded(name);
  if (wanted.empty()) return std::nullopt;
  // The first id of all layers that answers to the name.
  std::string_view first;
  const auto consider = [&](std::string_view id, std::string_view aliases) {
    if ((first.empty() || id < first) && answers_to(id, aliases, wanted)) first = id;
  };
  for (const auto& entry : embedded_entries())
    if (entry.kind == kind &&
        (user_entries_.empty() || !user_entries_.contains({std::string(kind), std::string(entry.id)})))
      consider(entry.id, entry.aliases);
  for (const auto& [key, entry] : user_entries_)
    if (key.first == kind) consider(key.second, entry.aliases);
  return first.empty() ? std::nullopt : find(kind, first);
}

Error error_in(const EntryReference& entry, std::string_view pointer, const Error& error) {
  return {error.code, fmt::format("{}{}: {}", entry.location.describe(), pointer, error.message),
          error.hint.empty() ? "Run llmsize catalog validate." : error.hint};
}

Result<nlohmann::json> Catalog::parse(const EntryReference& entry) const {
  auto document = nlohmann::json::parse(entry.text, nullptr, false);
  if (document.is_discarded() || !document.is_object())
    return fail(ErrorCode::malformed, fmt::format("{}: is not a JSON object", entry.location.describe()),
                "Run llmsize catalog validate.");
  return document;
}

Result<nlohmann::json> Catalog::get(std::string_view kind, std::string_view id) const {
  if (const auto entry = find(kind, id)) return parse(*entry);
  return fail(ErrorCode::not_found, fmt::format("no {} named \"{}\" in the catalog", kind, id),
              similar_hint(kind, id));
}

std::string Catalog::similar_hint(std::string_view kind, std::string_view name) const {
  const auto near = similar(kind, name);
  return near.empty() ? fmt::format("llmsize catalog list {} shows all.", kind)
                      : fmt::format("Did you mean {}?", fmt::join(near, ", "));
}

std::vector<std::string> Catalog::similar(std::string_view kind, std::string_view name,
                                          std::size_t most) const {
  const WantedName wanted = wanted_name(name);
  if (wanted.folded.empty()) return {};
  std::vector<std::pair<Likeness, std::string>> ranked;
  for (const auto& entry : list(kind))
    if (const auto found = likeness(entry, wanted)) ranked.emplace_back(*found, entry.id);
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> out;
  for (const auto& [found, id] : ranked)
    if (out.size() < most) out.push_back(id);
  return out;
}

}  // namespace llmsize::catalog
