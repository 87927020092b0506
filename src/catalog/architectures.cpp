#include "llmsize/catalog/architectures.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/architecture_sections.hpp"

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
  return architecture;
}

}  // namespace llmsize::catalog
