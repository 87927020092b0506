#include "llmsize/catalog/model_names.hpp"

#include <array>
#include <cctype>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace llmsize::catalog {
namespace {

/// What publishers append to the name of a tuned model, and registries leave out.
constexpr std::array<std::string_view, 3> tuned_suffixes = {"-instruct", "-it", "-chat"};
/// What repackagers append to a repository's name, and registries to a tag-less name.
constexpr std::array<std::string_view, 3> packaging_suffixes = {"-gguf", ":latest", "-latest"};
constexpr std::string_view separators = "-:._ ";
/// Longer names belong to nothing; the bound keeps hostile ones cheap.
constexpr std::size_t longest_name = 200;

bool ends_with_folded(std::string_view text, std::string_view suffix) {
  if (text.size() <= suffix.size()) return false;
  const auto tail = text.substr(text.size() - suffix.size());
  for (std::size_t i = 0; i < suffix.size(); ++i)
    if (std::tolower(static_cast<unsigned char>(tail[i])) != suffix[i]) return false;
  return true;
}

std::string_view without_packaging(std::string_view name) {
  for (const auto suffix : packaging_suffixes)
    if (ends_with_folded(name, suffix)) return name.substr(0, name.size() - suffix.size());
  return name;
}

/// The id of the file type that `tail` names. "fp16" is how registries write F16.
std::optional<std::string> file_type_id(const Catalog& catalog, std::string_view tail) {
  if (tail.size() == 4 && ends_with_folded(fmt::format("-{}", tail), "fp16")) return "F16";
  if (const auto entry = catalog.find_by_name("file_type", tail)) return std::string(entry->id);
  return std::nullopt;
}

std::optional<EntryReference> find_exactly(const Catalog& catalog, std::string_view name) {
  if (auto entry = catalog.find_by_name("model", name)) return entry;
  for (const auto suffix : tuned_suffixes)
    if (auto entry = catalog.find_by_name("model", fmt::format("{}{}", name, suffix))) return entry;
  return std::nullopt;
}

/// `name` as it stands, then without its owner and without what packaging adds.
std::optional<EntryReference> find_loosely(const Catalog& catalog, std::string_view name) {
  if (auto entry = find_exactly(catalog, name)) return entry;
  if (const auto slash = name.rfind('/'); slash != std::string_view::npos) name.remove_prefix(slash + 1);
  if (auto entry = find_exactly(catalog, name)) return entry;
  const auto bare = without_packaging(name);
  return bare == name ? std::nullopt : find_exactly(catalog, bare);
}

/// A model's name and the file type after it, the longest such type first.
std::optional<NamedModel> find_with_file_type(const Catalog& catalog, std::string_view name) {
  for (std::size_t at = 1; at + 1 < name.size(); ++at) {
    if (separators.find(name[at]) == std::string_view::npos) continue;
    const auto file_type = file_type_id(catalog, name.substr(at + 1));
    if (!file_type) continue;
    if (auto entry = find_loosely(catalog, name.substr(0, at)))
      return NamedModel{*std::move(entry), file_type};
  }
  return std::nullopt;
}

}  // namespace

Result<NamedModel> find_model(const Catalog& catalog, std::string_view name) {
  if (name.size() <= longest_name) {
    if (auto entry = find_loosely(catalog, name)) return NamedModel{*std::move(entry), std::nullopt};
    if (auto named = find_with_file_type(catalog, name)) return *std::move(named);
  }
  const auto shown = name.substr(0, longest_name);
  return fail(ErrorCode::not_found, fmt::format("no model named \"{}\" in the catalog", shown),
              catalog.similar_hint("model", shown));
}

}  // namespace llmsize::catalog
