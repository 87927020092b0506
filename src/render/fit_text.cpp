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

/// "141B", and of a mixture of experts what each token uses: "141B-A39B".
std::string params_of(const ModelIdentity& model) {
  const auto billions = [](ParamCount count) {
    const double number = static_cast<double>(count.value()) / 1e9;
    constexpr double many = 100;
    return number >= many ? fmt::format("{:.0f}B", number)
           : number >= 1  ? fmt::format("{:.1f}B", number)
                          : fmt::format("{:.2g}B", number);
  };
  std::string text = billions(model.total_params);
  if (model.active_params && *model.active_params < model.total_params)
    text += "-A" + billions(*model.active_params);
  return text;
}

std::string in_gibibytes(Bytes size) {
  return fmt::format("{:.1f}", static_cast<double>(size.value()) / static_cast<double>(gibibytes(1).value()));
}

/// The day tells nothing that the month does not.
std::string month_of(const std::string& date) {
  constexpr std::size_t year_and_month = 7;
  return date.substr(0, year_and_month);
}

std::string layers_text(const EstimateReport& report) {
  return report.footprint.devices.empty() ? "" : fmt::format("{}", report.footprint.offload.gpu_layers);
}

std::string context_of(const FitRow& row) {
  return grouped(row.estimate.run.context_tokens);
}

std::string speed_of(const FitRow& row) {
  const auto& decode = row.estimate.decode_speed;
  return decode ? speed_text(decode->mid) : "unknown";
}

std::string verdict_of(const FitRow& row) {
  return verdict_text(row.estimate.verdict.fit);
}

/// A column of the table; one that is empty in every row is left out, and one that says the same in all, too,
/// where a line below the table says it.
struct Column {
  const char* title;
  bool left;
  std::function<std::string(const FitRow&)> text;
  bool said_below = false;
};

const std::vector<Column>& columns() {
  static const std::vector<Column> all{
      {"model", true, [](const FitRow& row) { return row.estimate.model.id; }},
      {"released", true, [](const FitRow& row) { return month_of(row.released); }},
      {"params", false, [](const FitRow& row) { return params_of(row.estimate.model); }},
      {"quant", true, [](const FitRow& row) { return row.estimate.artifact.quant; }},
      {"context", false, context_of, true},
      {"GiB", false, [](const FitRow& row) { return in_gibibytes(row.estimate.footprint.total); }},
      {"most", false, [](const FitRow& row) { return in_gibibytes(row.estimate.footprint.high); }},
      {"ngl", false, [](const FitRow& row) { return layers_text(row.estimate); }},
      {"tok/s", false, speed_of, true},
      {"score", false,
       [](const FitRow& row) { return row.rank.scored ? fmt::format("{:.3f}", row.score->value) : ""; }},
      {"verdict", true, verdict_of, true}};
  return all;
}

bool same_in_all(const std::vector<FitRow>& rows, const std::function<std::string(const FitRow&)>& text) {
  return std::all_of(rows.begin(), rows.end(),
                     [&](const FitRow& row) { return text(row) == text(rows.front()); });
}

std::string table(const std::vector<FitRow>& rows) {
  std::vector<std::string> lines(rows.size() + 1);
  for (const auto& column : columns()) {
    const bool same = same_in_all(rows, column.text);
    if (same && (column.said_below || column.text(rows.front()).empty())) continue;
    std::vector<std::string> cells{column.title};
    for (const auto& row : rows) cells.push_back(column.text(row));
    std::size_t width = 0;
    for (const auto& cell : cells) width = std::max(width, cell.size());
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

/// What is the same in every row, and what the columns mean.
std::string legend(const FitReport& report) {
  const auto& rows = report.rows;
  std::string text;
  if (same_in_all(rows, verdict_of))
    text += rows.front().estimate.verdict.fit == Fit::resident ? "All fit in memory"
                                                               : "All page weights from disk";
  if (same_in_all(rows, context_of))
    text +=
        fmt::format("{} {} tokens of context", text.empty() ? "All at" : ", at", context_of(rows.front()));
  if (!text.empty()) text += ".\n";
  text += "GiB: when started; most: with a full prompt cache.";
  if (!layers_text(rows.front().estimate).empty()) text += " ngl: layers on the GPUs.";
  const auto& best = rows.front().estimate;
  if (same_in_all(rows, speed_of))
    text += best.decode_speed ? fmt::format(" {} tok/s.", speed_of(rows.front()))
                              : "\nSpeed is unknown: " + best.speed_unknown_because + ".";
  return text + '\n';
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
        "first what has a score in the one benchmark that several models share,\n"
        "times what its quant keeps; then ";
  text +=
      "by parameters (of a mixture of experts the geometric mean of all and\n"
      "active ones) times the likelihood per token that the quant keeps";
  text += report.local ? "." : ", worth twice as\nmuch for every 16 months newer.";
  text += " Assumed, not measured.";
  if (!report.local) text += "\nEach at the best quant that fits.";
  return text + "\n";
}

}  // namespace

std::string fit_text(const FitReport& report) {
  std::string out = headline(report);
  if (!report.rows.empty()) {
    out += '\n' + table(report.rows);
    if (report.more)
      out += fmt::format("… the best {}; --all shows every one that runs.\n", report.rows.size());
    out += '\n' + legend(report) + order_text(report);
  }
  for (const auto& note : report.notes) out += "Note: " + note + ".\n";
  return out;
}

}  // namespace llmsize::render
