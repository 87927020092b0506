#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/guide.hpp"
#include "llmsize/core/text.hpp"

namespace llmsize::catalog {
namespace {

using nlohmann::json;

std::string text(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::vector<std::string> one_or_more(const json& check, const char* one, const char* more) {
  if (check.contains(one)) return {text(check, one)};
  std::vector<std::string> list;
  if (check.contains(more) && check[more].is_array())
    for (const auto& item : check[more])
      if (item.is_string()) list.push_back(item.get<std::string>());
  return list;
}

/// The cell below a heading; empty where the row is too short.
std::string cell(const json& table, const json& row, const char* heading) {
  const auto columns = table.value("columns", json::array());
  const auto cells = row.value("cells", json::array());
  for (std::size_t i = 0; i < columns.size() && i < cells.size(); ++i)
    if (columns[i] == heading && cells[i].is_string()) return cells[i].get<std::string>();
  return "";
}

/// "configuration-basic" for the largest configuration whose machine is not larger than `gib`.
Result<std::string> table_for(const Catalog& catalog, std::int64_t gib) {
  const auto names = catalog.get("guide_table", "configuration-names");
  if (!names) return tl::unexpected(names.error());
  constexpr std::int64_t single_model_gib = 32;  // Decision tree: below it, mock mode only.
  std::string best;
  std::int64_t best_gib = -1;
  for (const auto& row : names->value("rows", json::array())) {
    std::int64_t size = 0;
    for (const auto& check : row.value("checks", json::array()))
      if (check.contains("ram") && check["ram"].is_number_integer()) size = check["ram"].get<std::int64_t>();
    // The smallest configuration also serves the machines below it that run one model for all roles.
    const bool fits = size <= gib || (best.empty() && gib >= single_model_gib && best_gib < 0);
    if (!fits || size < best_gib || row.value("cells", json::array()).empty()) continue;
    best = "configuration-" + lower_case(row["cells"][0].get<std::string>());
    best_gib = size;
  }
  return best;
}

Result<void> add_rows(const Catalog& catalog, const std::string& id,
                      std::vector<GuideRecommendation>& recommendations) {
  const auto table = catalog.get("guide_table", id);
  if (!table) return tl::unexpected(table.error());
  if (const std::string included = text(*table, "includes"); !included.empty() && included != id)
    if (auto added = add_rows(catalog, included, recommendations); !added) return added;
  for (const auto& row : table->value("rows", json::array())) {
    if (row.value("total", false)) continue;
    GuideRecommendation recommendation;
    recommendation.role = cell(*table, row, "Role");
    recommendation.printed = cell(*table, row, "Model") + ", " + cell(*table, row, "Size");
    for (const auto& check : row.value("checks", json::array())) {
      auto models = one_or_more(check, "model", "models");
      if (models.empty()) continue;
      recommendation.models = std::move(models);
      recommendation.quants = one_or_more(check, "quant", "quants");
    }
    recommendations.push_back(std::move(recommendation));
  }
  return {};
}

}  // namespace

Result<std::vector<GuideRecommendation>> load_guide_configuration(const Catalog& catalog, Bytes total) {
  std::vector<GuideRecommendation> recommendations;
  const auto table = table_for(catalog, total.value() / gibibytes(1).value());
  if (!table) return tl::unexpected(table.error());
  if (table->empty()) return recommendations;
  if (auto added = add_rows(catalog, *table, recommendations); !added) return tl::unexpected(added.error());
  return recommendations;
}

}  // namespace llmsize::catalog
