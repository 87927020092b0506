#include "llmsize/render/comparison.hpp"

#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "estimate_document.hpp"
#include "llmsize/core/text.hpp"
#include "speed_text.hpp"

namespace llmsize::render {
namespace {

using Json = nlohmann::ordered_json;

std::string middle_speed(const std::optional<SpeedRange>& speed) {
  return speed ? speed_text(speed->mid) : "unknown";
}

const char* verdict_text(Fit fit) {
  constexpr const char* words[] = {"fits", "pages from disk", "cannot run", "unknown"};
  return words[static_cast<int>(fit)];
}

/// What is left of a host's memory with every slot full; empty where that was not asked.
std::string stress_left(const EstimateReport& report) {
  const auto& places = report.verdict.places;
  if (!report.stress) return "";
  if (places.empty() || !places.front().budget.known()) return "unknown";
  return size_text(*places.front().budget.value - (report.stress->need - report.footprint.elsewhere_high));
}

/// A line of the comparison: what it is called and what a report says.
struct Line {
  const char* label;
  std::function<std::string(const EstimateReport&)> text;
};

const std::vector<Line>& lines() {
  static const std::vector<Line> all{
      {"parameters", [](const EstimateReport& r) { return params_text(r.model.total_params); }},
      {"quant", [](const EstimateReport& r) { return r.artifact.quant; }},
      {"bits per weight",
       [](const EstimateReport& r) { return fmt::format("{:.2f}", r.artifact.bits_per_weight); }},
      {"file", [](const EstimateReport& r) { return size_text(r.artifact.file.size); }},
      {"context", [](const EstimateReport& r) { return grouped(r.run.context_tokens); }},
      {"weights", [](const EstimateReport& r) { return size_text(r.footprint.weights.size); }},
      {"repacked", [](const EstimateReport& r) { return size_text(r.footprint.repacked.size); }},
      {"KV cache, state",
       [](const EstimateReport& r) { return size_text(r.footprint.kv_cache.size + r.footprint.state.size); }},
      {"scratch", [](const EstimateReport& r) { return size_text(r.footprint.compute.size); }},
      {"total", [](const EstimateReport& r) { return size_text(r.footprint.total); }},
      {"at most", [](const EstimateReport& r) { return size_text(r.footprint.high); }},
      {"GPU layers",
       [](const EstimateReport& r) {
         return r.footprint.devices.empty() ? "" : fmt::format("{}", r.footprint.offload.gpu_layers);
       }},
      {"decode tokens/s", [](const EstimateReport& r) { return middle_speed(r.decode_speed); }},
      {"prompt tokens/s", [](const EstimateReport& r) { return middle_speed(r.prompt_speed); }},
      {"tokens left", [](const EstimateReport& r) { return r.gate ? grouped(r.gate->left) : std::string(); }},
      {"left, stressed", stress_left},
      {"verdict", [](const EstimateReport& r) { return std::string(verdict_text(r.verdict.fit)); }},
      {"left", [](const EstimateReport& r) {
         return r.verdict.budget.known() ? size_text(r.verdict.headroom) : std::string("unknown");
       }}};
  return all;
}

std::string cell(const ComparedReport& column, const Line& line) {
  return column.report ? line.text(*column.report) : "";
}

Json documents(const std::vector<ComparedReport>& reports, const char* label) {
  Json list = Json::array();
  for (const auto& each : reports)
    list.push_back({{label, each.label},
                    {"error", each.error.empty() ? Json() : Json(each.error)},
                    {"estimate", each.report ? estimate_document(*each.report) : Json()}});
  return list;
}

std::string dumped(const Json& document) {
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

/// Those that hold the model first, then those that page, then the rest; by room left within each.
bool serves_better(const ComparedReport* a, const ComparedReport* b) {
  const auto rank = [](const ComparedReport* row) {
    return row->report ? static_cast<int>(row->report->verdict.fit) : static_cast<int>(Fit::unknown) + 1;
  };
  if (rank(a) != rank(b)) return rank(a) < rank(b);
  return a->report && b->report && a->report->verdict.headroom > b->report->verdict.headroom;
}

/// What was asked of each host beside whether it holds the model: the largest setting, and the stress case.
std::vector<Line> asked_of_hosts(const std::vector<ComparedReport>& hosts) {
  std::vector<Line> asked;
  for (const auto& host : hosts) {
    if (!host.report || !asked.empty()) continue;
    const auto& solution = host.report->solution;
    if (solution)
      asked.push_back({"largest", [](const EstimateReport& r) {
                         const bool any = r.solution && !r.solution->value.empty();
                         return any ? r.solution->quantity + " " + r.solution->value : std::string("none");
                       }});
    if (host.report->stress) asked.push_back({"left, stressed", stress_left});
  }
  return asked;
}

std::string hosts_headline(const std::vector<ComparedReport>& hosts) {
  const auto count = [&](Fit fit) {
    return std::count_if(hosts.begin(), hosts.end(), [&](const ComparedReport& row) {
      return row.report && row.report->verdict.fit == fit;
    });
  };
  return fmt::format("{} of {} hosts hold it in memory, {} more run it by paging weights from disk.\n\n",
                     count(Fit::resident), hosts.size(), count(Fit::pages_from_disk));
}

}  // namespace

std::string comparison_text(const std::vector<ComparedReport>& columns) {
  std::vector<std::size_t> widths;
  for (const auto& column : columns) {
    std::size_t width = column.label.size();
    for (const auto& line : lines()) width = std::max(width, cell(column, line).size());
    widths.push_back(width + 2);
  }
  std::string out = fmt::format("{:<16}", "");
  for (std::size_t i = 0; i < columns.size(); ++i) out += fmt::format("{:>{}}", columns[i].label, widths[i]);
  out += '\n';
  for (const auto& line : lines()) {
    const bool any = std::any_of(columns.begin(), columns.end(),
                                 [&](const ComparedReport& column) { return !cell(column, line).empty(); });
    if (!any) continue;
    out += fmt::format("{:<16}", line.label);
    for (std::size_t i = 0; i < columns.size(); ++i)
      out += fmt::format("{:>{}}", cell(columns[i], line), widths[i]);
    out += '\n';
  }
  return out;
}

std::string comparison_json(const std::vector<ComparedReport>& columns) {
  return dumped({{"schema", "llmsize.compare/1"}, {"items", documents(columns, "label")}});
}

std::string hosts_text(const std::vector<ComparedReport>& hosts) {
  std::vector<const ComparedReport*> rows;
  std::size_t width = 4;
  for (const auto& host : hosts) {
    rows.push_back(&host);
    width = std::max(width, host.label.size());
  }
  std::stable_sort(rows.begin(), rows.end(), serves_better);
  const auto asked = asked_of_hosts(hosts);
  std::string out = hosts_headline(hosts) + fmt::format("{:<{}}  {:<16} {:>12} {:>12} {:>10}", "host", width,
                                                        "verdict", "budget", "left", "tokens/s");
  for (const auto& column : asked) out += fmt::format(" {:>16}", column.label);
  out += "  bound by\n";
  for (const auto* row : rows) {
    if (!row->report) {
      out += fmt::format("{:<{}}  {}\n", row->label, width, row->error);
      continue;
    }
    const auto& verdict = row->report->verdict;
    const bool known = verdict.budget.known();
    out += fmt::format("{:<{}}  {:<16} {:>12} {:>12} {:>10}", row->label, width, verdict_text(verdict.fit),
                       known ? size_text(*verdict.budget.value) : "unknown",
                       known ? size_text(verdict.headroom) : "", middle_speed(row->report->decode_speed));
    for (const auto& column : asked) out += fmt::format(" {:>16}", column.text(*row->report));
    out += "  " + verdict.bound_by + '\n';
  }
  return out;
}

std::string hosts_json(const std::vector<ComparedReport>& hosts) {
  return dumped({{"schema", "llmsize.hosts/1"}, {"hosts", documents(hosts, "host")}});
}

}  // namespace llmsize::render
