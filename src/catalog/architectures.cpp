#include "llmsize/catalog/architectures.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/architecture_sections.hpp"
#include "llmsize/catalog/hyperparameters.hpp"

namespace llmsize::catalog {
namespace {

std::string text_of(const nlohmann::json& entry, const char* key) {
  const auto found = entry.find(key);
  return found != entry.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// {"keys": {config.json key: hyperparameter or several}, "derive": {hyperparameter: expression}}.
Result<ConfigRule> read_config_rule(const nlohmann::json& section) {
  ConfigRule rule;
  if (const auto keys = section.find("keys"); keys != section.end()) {
    if (!keys->is_object()) return fail(ErrorCode::malformed, "\"keys\" must be an object");
    for (const auto& [from, to] : keys->items()) {
      const auto targets = to.is_array() ? to : nlohmann::json::array({to});
      for (const auto& target : targets) {
        if (!target.is_string())
          return fail(ErrorCode::malformed, "\"keys\" must map to a text or a list of texts");
        rule.keys[from].push_back(target.get<std::string>());
      }
    }
  }
  if (const auto derived = section.find("derive"); derived != section.end()) {
    if (!derived->is_object()) return fail(ErrorCode::malformed, "\"derive\" must be an object");
    for (const auto& [key, text] : derived->items()) {
      auto expression = Expression::parse(text.is_string() ? text.get<std::string>() : std::string());
      if (!expression) return tl::unexpected(expression.error());
      rule.derived.emplace_back(key, *std::move(expression));
    }
  }
  return rule;
}

/// The "config" section: {"architectures": [...], "keys": …, "derive": …, "defaults": {hyperparameter:
/// value}}.
Result<void> read_config(const nlohmann::json& section, Architecture& architecture) {
  if (const auto names = section.find("architectures"); names != section.end() && names->is_array())
    for (const auto& name : *names)
      if (name.is_string()) architecture.config_architectures.push_back(name.get<std::string>());
  auto rule = read_config_rule(section);
  if (!rule) return tl::unexpected(rule.error());
  architecture.config = *std::move(rule);
  if (const auto defaults = section.find("defaults"); defaults != section.end()) {
    auto values = read_hyperparameters(*defaults);
    if (!values) return tl::unexpected(values.error());
    architecture.defaults = *std::move(values);
  }
  return {};
}

/// One template: {"name": "...", "shape": ["..."], "when": "...", "type": "f32"}.
Result<TensorTemplate> read_tensor(const nlohmann::json& entry) {
  if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string())
    return fail(ErrorCode::malformed, "a tensor needs a \"name\"");
  std::vector<std::string> shape;
  if (const auto dimensions = entry.find("shape"); dimensions != entry.end() && dimensions->is_array())
    for (const auto& dimension : *dimensions)
      shape.push_back(dimension.is_string() ? dimension.get<std::string>() : dimension.dump());
  std::optional<TensorType> type;
  if (const auto stated = text_of(entry, "type"); !stated.empty()) {
    for (const auto& known : {tensor_type::f32, tensor_type::f16, tensor_type::i32})
      if (known.name() == stated) type = known;
    if (!type)
      return fail(ErrorCode::malformed,
                  fmt::format("\"{}\" is no type of an unquantized model (f32, f16, i32)", stated));
  }
  return make_tensor_template(entry["name"].get<std::string>(), shape, text_of(entry, "when"), type);
}

}  // namespace

Result<std::vector<TensorTemplate>> load_tensor_templates(const EntryReference& reference,
                                                          const nlohmann::json& entry) {
  std::vector<TensorTemplate> templates;
  const auto list = entry.find("tensors");
  if (list == entry.end() || !list->is_array()) return templates;
  templates.reserve(list->size());
  for (std::size_t i = 0; i < list->size(); ++i) {
    auto tensor = read_tensor((*list)[i]);
    if (!tensor) return tl::unexpected(error_in(reference, fmt::format("/tensors/{}", i), tensor.error()));
    templates.push_back(*std::move(tensor));
  }
  return templates;
}

Result<Architecture> load_architecture(const Catalog& catalog, std::string_view id) {
  const auto reference = catalog.find("architecture", id);
  if (!reference)
    return fail(ErrorCode::not_found, fmt::format("no architecture named \"{}\" in the catalog", id),
                "llmsize catalog list architecture shows all; docs/ADDING.md says how to add one.");
  const auto entry = catalog.parse(*reference);
  if (!entry) return tl::unexpected(entry.error());

  Architecture architecture;
  architecture.id = std::string(id);
  architecture.name = text_of(*entry, "name");
  architecture.source = text_of(*entry, "source");
  architecture.as_of = text_of(*entry, "as_of");
  architecture.min_engine_version = text_of(*entry, "min_engine_version");
  const auto nothing = nlohmann::json::object();
  const auto section = [&](const char* key) -> const nlohmann::json& {
    const auto found = entry->find(key);
    return found != entry->end() && found->is_object() ? *found : nothing;
  };
  auto cache = parse_cache_rule(section("cache"));
  if (!cache) return tl::unexpected(error_in(*reference, "/cache", cache.error()));
  architecture.cache = *std::move(cache);
  auto graph = parse_graph_rule(section("graph"));
  if (!graph) return tl::unexpected(error_in(*reference, "/graph", graph.error()));
  architecture.graph = *std::move(graph);
  if (auto config = read_config(section("config"), architecture); !config)
    return tl::unexpected(error_in(*reference, "/config", config.error()));
  auto tensors = load_tensor_templates(*reference, *entry);
  if (!tensors) return tl::unexpected(tensors.error());
  architecture.tensors = *std::move(tensors);
  return architecture;
}

const Result<Architecture>& ArchitectureLoader::load(const std::string& id) {
  const auto known = loaded_.find(id);
  return known != loaded_.end() ? known->second
                                : loaded_.emplace(id, load_architecture(catalog_, id)).first->second;
}

Result<ConfigRule> load_config_keys(const Catalog& catalog) {
  ConfigRule all;
  for (const auto& reference : catalog.list("config_keys")) {
    const auto entry = catalog.parse(reference);
    if (!entry) return tl::unexpected(entry.error());
    auto rule = read_config_rule(*entry);
    if (!rule) return tl::unexpected(error_in(reference, "/keys", rule.error()));
    for (auto& [from, targets] : rule->keys) all.keys.insert_or_assign(from, std::move(targets));
    for (auto& derived : rule->derived) all.derived.push_back(std::move(derived));
  }
  return all;
}

Result<Architecture> load_architecture_of_class(const Catalog& catalog,
                                                const std::vector<std::string>& class_names) {
  for (const auto& name : class_names) {
    const auto quoted = fmt::format("\"{}\"", name);
    for (const auto& reference : catalog.list("architecture")) {
      // Only entries that have the name in their text can list it, so only those are parsed.
      if (reference.text.find(quoted) == std::string_view::npos) continue;
      auto architecture = load_architecture(catalog, reference.id);
      if (!architecture) return architecture;
      const auto& listed = architecture->config_architectures;
      if (std::find(listed.begin(), listed.end(), name) != listed.end()) return architecture;
    }
  }
  return fail(ErrorCode::unsupported,
              class_names.empty()
                  ? std::string("the config.json names no class under \"architectures\"")
                  : fmt::format("no architecture of the catalog stands for {}", class_names.front()),
              "Name a GGUF file of the model, or size it by --params.");
}

}  // namespace llmsize::catalog
