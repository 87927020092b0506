#pragma once
#include <string>
#include <vector>

#include "llmsize/catalog/catalog.hpp"
#include "llmsize/core/role.hpp"

namespace llmsize::catalog {

/// One role of data/roles.json or a user's layer. Errors: not_found with similar ids; malformed with place.
Result<RoleDefinition> load_role(const Catalog& catalog, const std::string& id);

/// The roles of a set of data/role_sets.json, by falling priority.
Result<std::vector<RoleDefinition>> load_role_set(const Catalog& catalog, const std::string& id);

/// The roles of a user's file, by falling priority: {"roles": ["frontdoor", {"id": "reviewer", "like":
/// "workers", "candidates": ["qwen3-8b"]}]}. Names alone are the catalog's roles; an object changes or adds
/// to the catalog's role of that id (or of the one it is "like"). `path` is for messages.
/// Errors: malformed and not_found with file and JSON pointer; usage for too many roles.
Result<std::vector<RoleDefinition>> parse_role_file(const Catalog& catalog, const std::string& content,
                                                    const std::string& path);

/// The published loss of each quant (data/quality.json): without an importance matrix where that was
/// measured, else with one.
Result<QuantLosses> load_quant_losses(const Catalog& catalog);

}  // namespace llmsize::catalog
