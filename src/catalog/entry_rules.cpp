#include "llmsize/catalog/entry_rules.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace llmsize::catalog {
namespace {

enum class Form { text, number, whole, flag, list, object, text_or_list };

struct KeyRule {
  std::string_view kind;
  std::string_view key;
  Form form;
  bool needed = false;
  double lowest = 0;
  double highest = 0;
};

constexpr bool needed = true;
constexpr bool optional = false;
/// Beyond 2^53 a JSON number is no whole number any more.
constexpr double most_whole = 9007199254740992.0;
constexpr double most_block = 65536;

/// One row per key, in the order of docs/schema/KIND.schema.json.
constexpr std::array key_rules = {
    KeyRule{"architecture", "tensors", Form::list},
    KeyRule{"architecture", "cache", Form::object},
    KeyRule{"architecture", "graph", Form::object},
    KeyRule{"architecture", "config", Form::object},
    KeyRule{"capability", "benchmark", Form::text, needed},
    KeyRule{"capability", "score", Form::number, needed, 0, 1},
    KeyRule{"config_keys", "keys", Form::object, needed},
    KeyRule{"cpu", "memory_channels", Form::whole, needed, 1, 64},
    KeyRule{"cpu", "mega_transfers_per_second", Form::whole, needed, 100, 100000},
    KeyRule{"file_type", "number", Form::whole, needed, 0, 10000},
    KeyRule{"file_type", "default", Form::text},
    KeyRule{"file_type", "rules", Form::list},
    KeyRule{"gpu", "class", Form::text, needed},
    KeyRule{"gpu", "memory_gib", Form::number, optional, 0, 1e6},
    KeyRule{"guide_factor", "value", Form::number, needed, 0, most_whole},
    KeyRule{"guide_table", "title", Form::text, needed},
    KeyRule{"guide_table", "columns", Form::list, needed},
    KeyRule{"guide_table", "rows", Form::list, needed},
    KeyRule{"model", "architecture", Form::text, needed},
    KeyRule{"model", "hyperparameters", Form::object, needed},
    KeyRule{"model", "name", Form::text},
    KeyRule{"model", "family", Form::text},
    KeyRule{"model", "features", Form::object},
    KeyRule{"model", "total_params", Form::whole, optional, 0, most_whole},
    KeyRule{"model", "active_params", Form::whole, optional, 0, most_whole},
    KeyRule{"model_capability", "title", Form::text, needed},
    KeyRule{"model_capability", "names", Form::list},
    KeyRule{"model_capability", "models", Form::list},
    KeyRule{"model_capability", "lowest_context", Form::whole, optional, 1, most_whole},
    KeyRule{"projector", "type", Form::text, needed},
    KeyRule{"projector", "hyperparameters", Form::object, needed},
    KeyRule{"projector_type", "tensors", Form::list, needed},
    KeyRule{"quant_quality", "kl_divergence", Form::number, optional, 0, 100},
    KeyRule{"quant_quality", "kl_divergence_imatrix", Form::number, optional, 0, 100},
    KeyRule{"quant_quality", "perplexity_change", Form::number, optional, -100, 1e6},
    KeyRule{"role", "priority", Form::whole, needed, 1, 1e6},
    KeyRule{"role", "weight", Form::number, optional, 0, 1e6},
    KeyRule{"role", "tier", Form::text, needed},
    KeyRule{"role", "needs", Form::list},
    KeyRule{"role", "candidates", Form::list},
    KeyRule{"role", "required", Form::flag},
    KeyRule{"role", "cloud", Form::flag},
    KeyRule{"role", "lowest_gib", Form::number, optional, 0, 1e6},
    KeyRule{"role_set", "title", Form::text},
    KeyRule{"role_set", "roles", Form::list, needed},
    KeyRule{"size_tier", "name", Form::text, needed},
    KeyRule{"size_tier", "lowest_params", Form::whole, optional, 0, most_whole},
    KeyRule{"size_tier", "highest_params", Form::whole, optional, 0, most_whole},
    KeyRule{"size_tier", "cloud", Form::flag},
    KeyRule{"tensor_type", "number", Form::whole, needed, 0, 10000},
    KeyRule{"tensor_type", "block_elements", Form::whole, needed, 1, most_block},
    KeyRule{"tensor_type", "block_bytes", Form::whole, needed, 1, most_block},
    KeyRule{"throughput", "part", Form::text, needed},
    KeyRule{"tier", "name", Form::text, needed},
    KeyRule{"tier", "lowest_gib", Form::number, needed, 0, 1e6},
    KeyRule{"tier", "advice", Form::text},
    KeyRule{"tier", "configuration_gib", Form::whole, optional, 1, 1e6},
    KeyRule{"vocabulary", "bytes_per_token", Form::number, needed, 0, 10000},
    KeyRule{"vocabulary", "low", Form::number, needed, 0, 10000},
    KeyRule{"vocabulary", "high", Form::number, needed, 0, 10000},
};

/// Keys that entries of every kind may have.
constexpr std::array shared_rules = {KeyRule{"", "source", Form::text}, KeyRule{"", "as_of", Form::text},
                                     KeyRule{"", "aliases", Form::list},
                                     KeyRule{"", "notes", Form::text_or_list}};

bool has_form(const nlohmann::json& value, Form form) {
  switch (form) {
    case Form::text:
      return value.is_string();
    case Form::number:
      return value.is_number();
    case Form::whole:
      return value.is_number_integer();
    case Form::flag:
      return value.is_boolean();
    case Form::list:
      return value.is_array();
    case Form::object:
      return value.is_object();
    case Form::text_or_list:
      return value.is_string() || value.is_array();
  }
  return false;
}

std::string wanted(const KeyRule& rule) {
  switch (rule.form) {
    case Form::text:
      return "a text";
    case Form::number:
      return fmt::format("a number from {} to {}", rule.lowest, rule.highest);
    case Form::whole:
      return fmt::format("a whole number from {:.0f} to {:.0f}", rule.lowest, rule.highest);
    case Form::flag:
      return "true or false";
    case Form::list:
      return "a list";
    case Form::object:
      return "an object";
    case Form::text_or_list:
      return "a text or a list";
  }
  return "";
}

bool in_range(const nlohmann::json& value, const KeyRule& rule) {
  if (rule.form != Form::number && rule.form != Form::whole) return true;
  const auto number = value.get<double>();
  return number >= rule.lowest && number <= rule.highest;
}

void check_key(const KeyRule& rule, const nlohmann::json& entry, std::vector<EntryFault>& faults) {
  const auto found = entry.find(rule.key);
  if (found == entry.end() || found->is_null()) {
    if (rule.needed)
      faults.push_back({"", fmt::format("\"{}\" is missing; it must be {}", rule.key, wanted(rule))});
  } else if (!has_form(*found, rule.form) || !in_range(*found, rule)) {
    faults.push_back({fmt::format("/{}", rule.key), fmt::format("must be {}", wanted(rule))});
  }
}

}  // namespace

std::vector<EntryFault> entry_faults(std::string_view kind, const nlohmann::json& entry) {
  std::vector<EntryFault> faults;
  for (const auto& rule : key_rules)
    if (rule.kind == kind) check_key(rule, entry, faults);
  for (const auto& rule : shared_rules) check_key(rule, entry, faults);
  return faults;
}

bool is_entry_kind(std::string_view kind) {
  return std::any_of(key_rules.begin(), key_rules.end(),
                     [&](const KeyRule& rule) { return rule.kind == kind; });
}

}  // namespace llmsize::catalog
