#pragma once
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "llmsize/catalog/catalog.hpp"
#include "llmsize/core/cache_rule.hpp"
#include "llmsize/core/graph_rule.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/core/tensor_template.hpp"

namespace llmsize::catalog {

/// The "cache" section of an architecture entry. Errors: malformed, without the place, which the caller adds.
Result<CacheRule> parse_cache_rule(const nlohmann::json& section);

/// The "graph" section of an architecture entry. Errors as for parse_cache_rule.
Result<GraphRule> parse_graph_rule(const nlohmann::json& section);

/// The "tensors" of an entry; none where it has no such list. Errors: malformed, with file and JSON pointer.
Result<std::vector<TensorTemplate>> load_tensor_templates(const EntryReference& reference,
                                                          const nlohmann::json& entry);

}  // namespace llmsize::catalog
