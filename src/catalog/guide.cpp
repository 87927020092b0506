#include "llmsize/catalog/guide.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace llmsize::catalog {
namespace {

Result<double> factor(const Catalog& catalog, const char* id) {
  const auto reference = catalog.find("guide_factor", id);
  if (!reference)
    return fail(ErrorCode::malformed, fmt::format("the catalogs have no guide_factor \"{}\"", id),
                "Reinstall llmsize, or remove the catalog folder that replaces it.");
  const auto entry = catalog.parse(*reference);
  if (!entry) return tl::unexpected(entry.error());
  // 2^53: the largest range in which a double counts bytes exactly.
  constexpr double highest = 9007199254740992.0;
  const auto value = entry->find("value");
  if (value == entry->end() || !value->is_number() || !(value->get<double>() >= 0) ||
      value->get<double>() > highest)
    return fail(ErrorCode::malformed,
                fmt::format("{}: \"value\" must be a number from 0 up", reference->location.describe()),
                "Run llmsize catalog validate.");
  return value->get<double>();
}

std::optional<ParamCount> params_at(const nlohmann::json& entry, const char* key) {
  const auto found = entry.find(key);
  if (found == entry.end() || !found->is_number_integer()) return std::nullopt;
  return ParamCount(found->get<std::int64_t>());
}

}  // namespace

Result<GuideFactors> load_guide_factors(const Catalog& catalog) {
  GuideFactors factors;
  double os_reserve = 0, kv_bytes = 0, kv_tokens = 0, hard_reset = 0, framework = 0, mock_below = 0;
  const std::pair<const char*, double*> wanted[] = {{"size_overhead", &factors.size_overhead},
                                                    {"os_reserve", &os_reserve},
                                                    {"safety_share", &factors.safety_share},
                                                    {"hot_share", &factors.hot_share},
                                                    {"kv_bytes", &kv_bytes},
                                                    {"kv_tokens", &kv_tokens},
                                                    {"kv_hard_reset", &hard_reset},
                                                    {"framework_overhead", &framework},
                                                    {"mock_below_gib", &mock_below}};
  for (const auto& [id, target] : wanted) {
    const auto value = factor(catalog, id);
    if (!value) return tl::unexpected(value.error());
    *target = *value;
  }
  const auto whole = [](double value) { return static_cast<std::int64_t>(std::llround(value)); };
  factors.os_reserve = Bytes(whole(os_reserve));
  factors.kv_bytes = Bytes(whole(kv_bytes));
  factors.kv_tokens = TokenCount(std::max<std::int64_t>(1, whole(kv_tokens)));
  factors.kv_hard_reset = Bytes(whole(hard_reset));
  factors.framework_overhead = Bytes(whole(framework));
  factors.mock_below = gibibytes(whole(mock_below));
  return factors;
}

Result<GuideMultipliers> load_guide_multipliers(const Catalog& catalog) {
  const auto table = catalog.get("guide_table", "quantization-impact");
  if (!table) return tl::unexpected(table.error());
  GuideMultipliers multipliers;
  for (const auto& row : table->value("rows", nlohmann::json::array())) {
    const auto quant = row.find("quant"), multiplier = row.find("multiplier");
    if (quant == row.end() || multiplier == row.end() || !quant->is_string() || !multiplier->is_number() ||
        multiplier->get<double>() <= 0)
      return fail(ErrorCode::malformed,
                  "guide_table quantization-impact: each row needs a \"quant\" and a positive \"multiplier\"",
                  "Run llmsize catalog validate.");
    multipliers[quant->get<std::string>()] = multiplier->get<double>();
  }
  return multipliers;
}

Result<std::vector<SizeTier>> load_size_tiers(const Catalog& catalog) {
  std::vector<SizeTier> tiers;
  for (const auto& reference : catalog.list("size_tier")) {
    const auto entry = catalog.parse(reference);
    if (!entry) return tl::unexpected(entry.error());
    if (!entry->contains("name") || !(*entry)["name"].is_string())
      return fail(ErrorCode::malformed, fmt::format("{}: \"name\" is needed", reference.location.describe()),
                  "Run llmsize catalog validate.");
    const auto text = [&](const char* key) {
      const auto found = entry->find(key);
      return found != entry->end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    const auto cloud = entry->find("cloud");
    tiers.push_back({std::string(reference.id), text("name"), params_at(*entry, "lowest_params"),
                     params_at(*entry, "highest_params"), text("pipeline_role"), text("target"),
                     cloud != entry->end() && cloud->is_boolean() && cloud->get<bool>()});
  }
  const auto order = [](const SizeTier& tier) {
    return tier.lowest ? tier.lowest->value() : ParamCount::highest;
  };
  std::stable_sort(tiers.begin(), tiers.end(),
                   [&](const SizeTier& a, const SizeTier& b) { return order(a) < order(b); });
  return tiers;
}

}  // namespace llmsize::catalog
