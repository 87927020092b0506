#include "llmsize/catalog/architectures.hpp"

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

/// `error` with the entry and section it happened in.
Error at(const EntryReference& entry, const char* section, const Error& error) {
  return {error.code, fmt::format("{}/{}: {}", entry.location.describe(), section, error.message),
          error.hint.empty() ? "Run llmsize catalog validate." : error.hint};
}

/// {"architectures": [...], "keys": {config.json key: hyperparameter}, "defaults": {hyperparameter: value}}.
Result<void> read_config(const nlohmann::json& section, Architecture& architecture) {
  if (const auto names = section.find("architectures"); names != section.end() && names->is_array())
    for (const auto& name : *names)
      if (name.is_string()) architecture.config_architectures.push_back(name.get<std::string>());
  if (const auto keys = section.find("keys"); keys != section.end()) {
    if (!keys->is_object()) return fail(ErrorCode::malformed, "\"keys\" must be an object");
    for (const auto& [from, to] : keys->items()) {
      if (!to.is_string()) return fail(ErrorCode::malformed, "\"keys\" must map texts to texts");
      architecture.config_keys.insert_or_assign(from, to.get<std::string>());
    }
  }
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
  if (!cache) return tl::unexpected(at(*reference, "cache", cache.error()));
  architecture.cache = *std::move(cache);
  auto graph = parse_graph_rule(section("graph"));
  if (!graph) return tl::unexpected(at(*reference, "graph", graph.error()));
  architecture.graph = *std::move(graph);
  if (auto config = read_config(section("config"), architecture); !config)
    return tl::unexpected(at(*reference, "config", config.error()));
  const auto tensors = entry->find("tensors");
  if (tensors == entry->end() || !tensors->is_array()) return architecture;
  architecture.tensors.reserve(tensors->size());
  for (std::size_t i = 0; i < tensors->size(); ++i) {
    auto tensor = read_tensor((*tensors)[i]);
    if (!tensor) return tl::unexpected(at(*reference, fmt::format("tensors/{}", i).c_str(), tensor.error()));
    architecture.tensors.push_back(*std::move(tensor));
  }
  return architecture;
}

}  // namespace llmsize::catalog
