#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/architecture_sections.hpp"

namespace llmsize::catalog {
namespace {

Result<std::vector<GraphStep>> parse_steps(const nlohmann::json& section, const char* key,
                                           const std::vector<std::string>& otherwise) {
  std::vector<std::string> texts = otherwise;
  if (const auto found = section.find(key); found != section.end()) {
    texts.clear();
    if (!found->is_array())
      return fail(ErrorCode::malformed, fmt::format("\"{}\" must be a list of blocks", key));
    for (const auto& text : *found) {
      if (!text.is_string())
        return fail(ErrorCode::malformed, fmt::format("\"{}\" must be a list of blocks as text", key));
      texts.push_back(text.get<std::string>());
    }
  }
  std::vector<GraphStep> steps;
  for (const auto& text : texts) {
    auto step = parse_graph_step(text);
    if (!step) return tl::unexpected(step.error());
    steps.push_back(*std::move(step));
  }
  return steps;
}

}  // namespace

Result<GraphRule> parse_graph_rule(const nlohmann::json& section) {
  GraphRule rule;
  if (section.empty()) return rule;
  auto input = parse_steps(section, "input", {"embedding"});
  if (!input) return tl::unexpected(input.error());
  auto layer = parse_steps(section, "layer", {});
  if (!layer) return tl::unexpected(layer.error());
  auto output = parse_steps(section, "output", {"norm output_norm", "head"});
  if (!output) return tl::unexpected(output.error());
  rule.input = *std::move(input);
  rule.layer = *std::move(layer);
  rule.output = *std::move(output);
  return rule;
}

}  // namespace llmsize::catalog
