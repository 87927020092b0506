#include "llmsize/hf/config.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/core/expression.hpp"
#include "llmsize/core/tensor_template.hpp"

namespace llmsize::hf {
namespace {

/// Follows a dotted path; null where it leads nowhere or to null.
const nlohmann::json* follow(const nlohmann::json& object, std::string_view path) {
  const nlohmann::json* at = &object;
  while (true) {
    const auto dot = path.find('.');
    if (!at->is_object()) return nullptr;
    const auto found = at->find(std::string(path.substr(0, dot)));
    if (found == at->end() || found->is_null()) return nullptr;
    at = &*found;
    if (dot == std::string_view::npos) return at;
    path.remove_prefix(dot + 1);
  }
}

const nlohmann::json* find_value(const nlohmann::json& config, std::string_view path) {
  if (const auto* text = follow(config, "text_config"))
    if (const auto* value = follow(*text, path)) return value;
  return follow(config, path);
}

std::optional<std::int64_t> whole_number(const nlohmann::json& value) {
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(Bytes::highest))
    return std::nullopt;
  return value.is_number_integer() ? std::optional(value.get<std::int64_t>()) : std::nullopt;
}

/// The value in hyperparameter form, or nothing for kinds that no hyperparameter has.
std::optional<Hyperparameters::Value> convert(const nlohmann::json& value) {
  if (const auto number = whole_number(value)) return *number;
  if (value.is_number_integer()) return std::nullopt;  // Beyond 64 bits.
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array() || value.size() > static_cast<std::size_t>(most_layers)) return std::nullopt;
  std::vector<std::int64_t> list;
  for (const auto& element : value) {
    const auto number = whole_number(element);
    if (!number) return std::nullopt;
    list.push_back(*number);
  }
  return list;
}

/// 1 where the value (or each element of a list) is `text`, else 0.
std::optional<Hyperparameters::Value> compare(const nlohmann::json& value, std::string_view text) {
  const auto same = [&](const nlohmann::json& one) {
    return std::int64_t{one.is_string() && one.get_ref<const std::string&>() == text};
  };
  if (!value.is_array()) return same(value);
  if (value.size() > static_cast<std::size_t>(most_layers)) return std::nullopt;
  std::vector<std::int64_t> list;
  for (const auto& element : value) list.push_back(same(element));
  return list;
}

/// Sets `target` ("key", or "key=TEXT") from `value`.
Result<void> set(Hyperparameters& out, const std::string& from, const std::string& target,
                 const nlohmann::json& value) {
  const auto equals = target.find('=');
  const auto converted = equals == std::string::npos
                             ? convert(value)
                             : compare(value, std::string_view(target).substr(equals + 1));
  if (!converted)
    return fail(ErrorCode::malformed, fmt::format("\"{}\" is not a number, a text or a list of them", from),
                "Check the config.json against its publisher's.");
  const auto key = target.substr(0, equals);
  // Two spellings of one comparison, of which either may be there, must not undo each other.
  if (equals != std::string::npos && out.flag(key)) return {};
  out.set(key, *converted);
  return {};
}

Result<void> apply_keys(Hyperparameters& out, const nlohmann::json& config, const ConfigRule& rule) {
  for (const auto& [from, targets] : rule.keys) {
    const auto* value = find_value(config, from);
    if (value == nullptr) continue;
    for (const auto& target : targets)
      if (auto done = set(out, from, target, *value); !done) return done;
  }
  return {};
}

/// Sets what expressions over the other values give; those with a missing operand are passed over. Values
/// that differ between layers become a list.
void derive(Hyperparameters& out, const ConfigRule& rule, bool replace) {
  for (const auto& [key, expression] : rule.derived) {
    if (!replace && out.has(key)) continue;
    LayerScope scope(out);
    const auto bound = expression.bind(scope);
    std::vector<std::int64_t> values;
    for (int layer = 0; layer < scope.layer_count() && layer < most_layers; ++layer) {
      const auto value = bound.evaluate(layer);
      if (!value) break;
      values.push_back(*value);
    }
    if (values.empty() || values.size() != static_cast<std::size_t>(scope.layer_count())) continue;
    const bool uniform =
        std::all_of(values.begin(), values.end(), [&](auto v) { return v == values.front(); });
    if (uniform)
      out.set(key, values.front());
    else
      out.set(key, std::move(values));
  }
}

}  // namespace

std::vector<std::string> class_names(const nlohmann::json& config) {
  std::vector<std::string> names;
  const auto add = [&](const nlohmann::json* list) {
    if (list == nullptr || !list->is_array()) return;
    for (const auto& name : *list)
      if (name.is_string()) names.push_back(name.get<std::string>());
  };
  if (const auto* text = follow(config, "text_config")) add(follow(*text, "architectures"));
  add(follow(config, "architectures"));
  return names;
}

Result<Hyperparameters> read_config(const nlohmann::json& config, const ConfigRule& general,
                                    const Architecture& architecture) {
  if (!config.is_object()) return fail(ErrorCode::malformed, "the config.json is not a JSON object");
  Hyperparameters out = architecture.defaults;
  if (auto done = apply_keys(out, config, general); !done) return tl::unexpected(done.error());
  if (auto done = apply_keys(out, config, architecture.config); !done) return tl::unexpected(done.error());
  const auto layers = out.integer("block_count");
  if (!layers || *layers < 1 || *layers > most_layers)
    return fail(ErrorCode::malformed, fmt::format("the number of layers must be 1 to {}", most_layers),
                "Check num_hidden_layers in the config.json.");
  derive(out, architecture.config, true);
  derive(out, general, false);
  return out;
}

}  // namespace llmsize::hf
