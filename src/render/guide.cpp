#include "llmsize/render/guide.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace llmsize::render {
namespace {

using Json = nlohmann::ordered_json;

Json number(const std::optional<double>& value) {
  return value ? Json(*value) : Json();
}

std::string range(double low, double high) {
  return low == high ? fmt::format("{:.4g}", low) : fmt::format("{:.4g} to {:.4g}", low, high);
}

std::string check_line(const GuideCheck& check) {
  std::string line = fmt::format("      {}: ", check.what);
  if (!check.unknown_because.empty()) return line + "unknown, " + check.unknown_because + "\n";
  if (!check.computed_text.empty()) line += check.computed_text;
  if (check.computed)
    line += range(*check.computed, check.computed_high.value_or(*check.computed)) +
            (check.unit.empty() ? "" : " " + check.unit);
  if (check.printed_low)
    line += fmt::format("; printed {}", range(*check.printed_low, *check.printed_high));
  else if (!check.printed_text.empty())
    line += "; printed " + check.printed_text;
  if (const auto difference = check.difference_percent())
    line += fmt::format(", {:+.1f} %", *difference);
  else if (!check.place_in_range().empty())
    line += ", " + check.place_in_range() + " it";
  const bool note_alone = !check.computed && check.computed_text.empty() && check.printed_text.empty();
  if (!check.note.empty()) line += note_alone ? check.note : " (" + check.note + ")";
  return line + "\n";
}

std::string table_text(const GuideTable& table) {
  std::string out = fmt::format("\n{}\n  {}: {}\n", table.title, table.source, table.place);
  out += fmt::format("    {}\n", fmt::join(table.columns, " | "));
  for (const auto& row : table.rows) {
    out += fmt::format("    {}\n", fmt::join(row.cells, " | "));
    for (const auto& check : row.checks) out += check_line(check);
  }
  if (!table.note.empty()) out += "    Note: " + table.note + "\n";
  return out;
}

Json check_json(const GuideCheck& check) {
  return {{"what", check.what},
          {"unit", check.unit},
          {"printed_low", number(check.printed_low)},
          {"printed_high", number(check.printed_high)},
          {"printed_text", check.printed_text},
          {"computed", number(check.computed)},
          {"computed_high", number(check.computed_high)},
          {"computed_text", check.computed_text},
          {"difference_percent", number(check.difference_percent())},
          {"place_in_range", check.place_in_range()},
          {"unknown_because", check.unknown_because},
          {"note", check.note}};
}

}  // namespace

std::string guide_text(const GuideReport& report) {
  std::string page = fmt::format(
      "The sizing guides' {} printed tables, each row followed by what llmsize computes for it.\n",
      report.tables.size());
  for (const auto& table : report.tables) page += table_text(table);
  return page;
}

std::string guide_json(const GuideReport& report) {
  Json document = {{"schema", "llmsize.guide-tables/1"}, {"tables", Json::array()}};
  for (const auto& table : report.tables) {
    Json rows = Json::array();
    for (const auto& row : table.rows) {
      Json checks = Json::array();
      for (const auto& check : row.checks) checks.push_back(check_json(check));
      rows.push_back({{"cells", row.cells}, {"checks", std::move(checks)}});
    }
    document["tables"].push_back({{"id", table.id},
                                  {"title", table.title},
                                  {"source", table.source},
                                  {"place", table.place},
                                  {"note", table.note},
                                  {"columns", table.columns},
                                  {"rows", std::move(rows)}});
  }
  return document.dump(2) + '\n';
}

}  // namespace llmsize::render
