#include <nlohmann/json.hpp>

#include "llmsize/catalog/architecture_sections.hpp"

namespace llmsize::catalog {

Result<CacheRule> parse_cache_rule(const nlohmann::json& section) {
  CacheRule rule;
  if (const auto kind = section.find("kind"); kind != section.end()) {
    if (!kind->is_string()) return fail(ErrorCode::malformed, "\"kind\" must be a text");
    rule.kind = kind->get<std::string>();
  }
  return rule;
}

}  // namespace llmsize::catalog
