#include "llmsize/catalog/file_types.hpp"

#include <charconv>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace llmsize::catalog {
namespace {

constexpr std::string_view kind = "file_type";
/// Set by the engine in general.file_type where it guessed the type: LLAMA_FTYPE_GUESSED.
constexpr int guessed_flag = 1024;

tl::unexpected<Error> broken(const EntryReference& reference, const std::string& what) {
  return fail(ErrorCode::malformed, fmt::format("{}: {}", reference.location.describe(), what),
              "Run llmsize catalog validate.");
}

std::string text_at(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// The strings of a list; absent where it is not a list of strings, empty where it is missing.
std::optional<std::vector<std::string>> texts_at(const nlohmann::json& object, const char* key) {
  std::vector<std::string> texts;
  const auto found = object.find(key);
  if (found == object.end()) return texts;
  if (!found->is_array()) return std::nullopt;
  for (const auto& item : *found) {
    if (!item.is_string()) return std::nullopt;
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

/// Reads one row of "rules". The error is what is wrong with it.
tl::expected<TypeRule, std::string> parse_rule(const nlohmann::json& row, const TypeTable& types) {
  TypeRule rule;
  if (!row.is_object()) return tl::unexpected<std::string>("is not an object");
  const auto* type = types.find(text_at(row, "type"));
  if (type == nullptr)
    return tl::unexpected(fmt::format("has no known \"type\": \"{}\"", text_at(row, "type")));
  rule.type = *type;
  const auto tensors = texts_at(row, "tensors"), when = texts_at(row, "when");
  if (!tensors || tensors->empty()) return tl::unexpected<std::string>("needs a list \"tensors\"");
  for (const auto& word : *tensors) {
    if (word == "any") continue;
    const auto category = parse_category(word);
    if (!category) return tl::unexpected(fmt::format("names the unknown tensors \"{}\"", word));
    rule.categories.push_back(*category);
  }
  if (!when) return tl::unexpected<std::string>("has a \"when\" that is no list of conditions");
  for (const auto& text : *when) {
    auto condition = parse_condition(text);
    if (!condition) return tl::unexpected(fmt::format("has the unknown condition \"{}\"", text));
    rule.when.push_back(std::move(*condition));
  }
  return rule;
}

Result<FileType> parse_entry(const Catalog& catalog, const TypeTable& types,
                             const EntryReference& reference) {
  const auto entry = catalog.parse(reference);
  if (!entry) return tl::unexpected(entry.error());
  FileType file_type;
  file_type.id = reference.id;
  const auto number = entry->find("number");
  if (number == entry->end() || !number->is_number_integer() || number->get<std::int64_t>() < 0 ||
      number->get<std::int64_t>() >= guessed_flag)
    return broken(reference, fmt::format("\"number\" must be a whole number below {}", guessed_flag));
  file_type.number = number->get<int>();
  const auto* type = types.find(text_at(*entry, "default"));
  if (type == nullptr)
    return broken(reference,
                  fmt::format("\"default\" is no tensor type: \"{}\"", text_at(*entry, "default")));
  file_type.default_type = *type;
  file_type.mixes = entry->find("mixes") == entry->end() || (*entry)["mixes"] != false;
  file_type.counts_ffn_down =
      entry->find("counts_ffn_down") != entry->end() && (*entry)["counts_ffn_down"] == true;
  file_type.refused = text_at(*entry, "refused");
  const auto rules = entry->find("rules");
  if (rules == entry->end()) return file_type;
  if (!rules->is_array()) return broken(reference, "\"rules\" must be a list");
  for (std::size_t i = 0; i < rules->size(); ++i) {
    auto rule = parse_rule((*rules)[i], types);
    if (!rule) return broken(reference, fmt::format("/rules/{} {}", i, rule.error()));
    file_type.rules.push_back(std::move(*rule));
  }
  return file_type;
}

std::optional<EntryReference> find_by_number(const Catalog& catalog, int number) {
  for (const auto& reference : catalog.list(kind)) {
    const auto entry = catalog.parse(reference);
    if (entry && entry->value("number", nlohmann::json()) == number) return reference;
  }
  return std::nullopt;
}

std::optional<int> whole_number(std::string_view text) {
  int value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() ? std::optional(value)
                                                                             : std::nullopt;
}

}  // namespace

Result<FileType> load_file_type(const Catalog& catalog, const TypeTable& types, std::string_view name) {
  const auto number = whole_number(name);
  const auto reference = number ? find_by_number(catalog, *number) : catalog.find_by_name(kind, name);
  if (reference) return parse_entry(catalog, types, *reference);
  const auto near = catalog.similar(kind, name);
  return fail(
      ErrorCode::usage, fmt::format("no quant type named \"{}\"", name),
      fmt::format("{}Common ones are Q4_K_M, Q5_K_M, Q6_K and Q8_0; llmsize catalog list {} shows all.",
                  near.empty() ? "" : fmt::format("Did you mean {}? ", fmt::join(near, ", ")), kind));
}

std::string file_type_name(const Catalog& catalog, int number) {
  const auto reference = find_by_number(catalog, number & ~guessed_flag);
  return reference ? std::string(reference->id) : std::string();
}

}  // namespace llmsize::catalog
