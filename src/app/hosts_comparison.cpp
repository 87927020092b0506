#include "llmsize/app/hosts_comparison.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "llmsize/app/estimate_report.hpp"
#include "llmsize/app/local_host.hpp"
#include "llmsize/core/comparison.hpp"
#include "llmsize/render/comparison.hpp"

namespace llmsize::app {
namespace {

ComparedReport on_host(const Services& services, EstimateOptions options, const std::string& folder,
                       const std::string& file) {
  ComparedReport row{file.substr(0, file.size() - std::string_view(".json").size()), std::nullopt, {}};
  const auto host = host_for_budget(services, folder + "/" + file);
  if (!host) {
    row.error = host.error().message;
    return row;
  }
  auto sized = estimate_report(services, *host, options);
  if (sized)
    row.report = std::move(sized->report);
  else
    row.error = sized.error().message;
  return row;
}

}  // namespace

Result<Outcome> compare_hosts(const Services& services, const EstimateOptions& options) {
  if (auto checked = check_options(options); !checked) return tl::unexpected(checked.error());
  if (options.ram || options.gpus.named())
    return fail(ErrorCode::usage, "--hosts brings its own machines", "Drop --ram and --gpu.");
  const auto names = services.files.list(options.hosts_folder);
  if (!names) return tl::unexpected(names.error());
  auto files = *names;
  std::sort(files.begin(), files.end());
  EstimateOptions each = options;
  each.host_named = true;
  std::vector<ComparedReport> rows;
  for (const auto& file : files)
    if (file.ends_with(".json")) rows.push_back(on_host(services, each, options.hosts_folder, file));
  if (rows.empty())
    return fail(ErrorCode::not_found, fmt::format("{}: no saved probe (*.json)", options.hosts_folder),
                "Save one on each host: llmsize probe --json > HOST.json");
  const bool any = std::any_of(rows.begin(), rows.end(), [&](const ComparedReport& row) {
    if (!row.report) return false;
    if (row.report->solution) return !row.report->solution->value.empty();
    return row.report->verdict.fit != Fit::unknown && is_met(each.requirement, row.report->verdict.fit);
  });
  return Outcome{options.json ? render::hosts_json(rows) : render::hosts_text(rows),
                 any ? exit_status::done : exit_status::does_not_fit};
}

}  // namespace llmsize::app
