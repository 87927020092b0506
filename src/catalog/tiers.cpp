#include "llmsize/catalog/tiers.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace llmsize::catalog {

Result<std::vector<TierRule>> load_tiers(const Catalog& catalog) {
  std::vector<TierRule> rules;
  for (const auto& reference : catalog.list("tier")) {
    const auto entry = catalog.parse(reference);
    if (!entry) return tl::unexpected(entry.error());
    const auto text = [&](const char* key) {
      const auto found = entry->find(key);
      return found != entry->end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    constexpr std::int64_t highest_gib = 1 << 30;
    const auto lowest = entry->find("lowest_gib");
    if (lowest == entry->end() || !lowest->is_number_integer() || *lowest < 0 || *lowest > highest_gib ||
        text("name").empty())
      return fail(
          ErrorCode::malformed,
          fmt::format("{}: \"name\" and a whole \"lowest_gib\" are needed", reference.location.describe()),
          "Run llmsize catalog validate.");
    const auto configuration = entry->find("configuration_gib");
    const bool has_configuration = configuration != entry->end() && configuration->is_number_integer() &&
                                   *configuration > 0 && *configuration <= highest_gib;
    rules.push_back({std::string(reference.id), text("name"), lowest->get<std::int64_t>(), text("advice"),
                     has_configuration ? configuration->get<std::int64_t>() : 0});
  }
  std::sort(rules.begin(), rules.end(),
            [](const TierRule& a, const TierRule& b) { return a.lowest_gib < b.lowest_gib; });
  return rules;
}

}  // namespace llmsize::catalog
