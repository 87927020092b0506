#include <nlohmann/json.hpp>

#include "llmsize/catalog/architecture_sections.hpp"

namespace llmsize::catalog {

Result<GraphRule> parse_graph_rule(const nlohmann::json& section) {
  GraphRule rule;
  if (const auto layer = section.find("layer"); layer != section.end()) {
    if (!layer->is_array()) return fail(ErrorCode::malformed, "\"layer\" must be a list of block names");
    for (const auto& block : *layer) {
      if (!block.is_string()) return fail(ErrorCode::malformed, "\"layer\" must be a list of block names");
      rule.layer.push_back(block.get<std::string>());
    }
  }
  return rule;
}

}  // namespace llmsize::catalog
