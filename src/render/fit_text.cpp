#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "llmsize/core/text.hpp"
#include "llmsize/render/fit.hpp"
#include "speed_text.hpp"

namespace llmsize::render {
namespace {

const char* verdict_text(Fit fit) {
  constexpr const char* words[] = {"fits", "pages from disk", "cannot run", "unknown"};
  return words[static_cast<int>(fit)];
}

std::string params_of(const ModelIdentity& model) {
  std::string text = params_text(model.total_params);
  if (model.active_params && *model.active_params < model.total_params)
    text += ", " + params_text(*model.active_params) + " active";
  return text;
}

std::string layers_text(const EstimateReport& report) {
  return report.footprint.devices.empty() ? "" : fmt::format("{}", report.footprint.offload.gpu_layers);
}

/// A column of the table; one that is empty in every row is left out.
struct Column {
  const char* title;
  bool left;
  std::function<std::string(const FitRow&)> text;
};

const std::vector<Column>& columns() {
  static const std::vector<Column> all{
      {"model", true, [](const FitRow& row) { return row.estimate.model.id; }},
      {"released", true, [](const FitRow& row) { return row.released; }},
      {"parameters", false, [](const FitRow& row) { return params_of(row.estimate.model); }},
      {"quant", true, [](const FitRow& row) { return row.estimate.artifact.quant; }},
      {"context", false, [](const FitRow& row) { return grouped(row.estimate.run.context_tokens); }},
      {"memory", false, [](const FitRow& row) { return size_text(row.estimate.footprint.total); }},
      {"at most", false, [](const FitRow& row) { return size_text(row.estimate.footprint.high); }},
      {"GPU layers", false, [](const FitRow& row) { return layers_text(row.estimate); }},
      {"tokens/s", false,
       [](const FitRow& row) {
         const auto& decode = row.estimate.decode_speed;
         return decode ? speed_text(decode->mid) : std::string("unknown");
       }},
      {"score", false,
       [](const FitRow& row) { return row.rank.scored ? fmt::format("{:.3f}", row.score->value) : ""; }},
      {"verdict", true,
       [](const FitRow& row) { return std::string(verdict_text(row.estimate.verdict.fit)); }}};
  return all;
}

std::string table(const std::vector<FitRow>& rows) {
  std::vector<std::string> lines(rows.size() + 1);
  for (const auto& column : columns()) {
    std::vector<std::string> cells{column.title};
    for (const auto& row : rows) cells.push_back(column.text(row));
    std::size_t width = 0;
    for (const auto& cell : cells) width = std::max(width, cell.size());
    if (std::all_of(cells.begin() + 1, cells.end(), [](const std::string& cell) { return cell.empty(); }))
      continue;
    for (std::size_t i = 0; i < cells.size(); ++i)
      lines[i] +=
          column.left ? fmt::format("{:<{}}  ", cells[i], width) : fmt::format("{:>{}}  ", cells[i], width);
  }
  std::string out;
  for (auto& line : lines) {
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  return out;
}

std::string headline(const FitReport& report) {
  const std::string whose = report.local ? "models on this disk" : "catalog models";
  const std::string budget = report.budget.known() ? size_text(*report.budget.value) : "unknown memory";
  if (report.rows.empty())
    return fmt::format("None of {} {} runs in {}, bound by {}. Next: {}.\n", report.considered, whose, budget,
                       report.bound_by, report.next_step);
  const EstimateReport& best = report.rows.front().estimate;
  const Verdict& verdict = best.verdict;
  const Bytes need = verdict.budget.value_or(Bytes(0)) - verdict.headroom;
  const std::string use =
      verdict.fit == Fit::resident
          ? fmt::format("at most {} of {}", size_text(need), size_text(verdict.budget.value_or(Bytes(0))))
          : fmt::format("only by paging weights from disk, {} needed of {}", size_text(need),
                        size_text(verdict.budget.value_or(Bytes(0))));
  return fmt::format("Of {} {} the best that runs here is {} at {}: {}, bound by {}. Next: {}.\n",
                     report.considered, whose, best.model.id, best.artifact.quant, use, verdict.bound_by,
                     report.next_step);
}

std::string order_text(const FitReport& report) {
  std::string text = "Order: ";
  if (report.order == FitOrder::score)
    text +=
        "first what has a score in the one benchmark that several models share, times what its quant keeps; "
        "then ";
  text +=
      "by size class (parameters, of a mixture of experts the geometric mean of all and active ones, times "
      "the\n"
      "likelihood per token that the quant keeps), within a class the newest first. Assumed, not measured.";
  if (!report.local) text += " Each at the best quant that fits.";
  return text + "\n";
}

}  // namespace

std::string fit_text(const FitReport& report) {
  std::string out = headline(report);
  if (!report.rows.empty()) {
    out += '\n' + table(report.rows);
    if (report.more)
      out += fmt::format("… the best {}; --all shows every one that runs.\n", report.rows.size());
    out += '\n' + order_text(report);
  }
  for (const auto& note : report.notes) out += "Note: " + note + ".\n";
  return out;
}

}  // namespace llmsize::render
