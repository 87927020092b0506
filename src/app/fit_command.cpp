#include "llmsize/app/fit_command.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "llmsize/app/estimate_report.hpp"
#include "llmsize/app/fit_search.hpp"
#include "llmsize/core/text.hpp"
#include "llmsize/render/fit.hpp"

namespace llmsize::app {
namespace {

/// A page of a terminal.
constexpr std::int64_t usual_limit = 20;
/// About as fast as people read: 238 words per minute (Brysbaert 2019, silent reading of English non-fiction)
/// at three tokens for four words.
constexpr double reading_speed = 238.0 / 60 * 4 / 3;

Result<void> check(const FitOptions& options) {
  if (options.all && options.limit)
    return fail(ErrorCode::usage, "--all and --limit contradict each other", "Keep one of them.");
  if (options.lowest_params && options.highest_params && *options.lowest_params > *options.highest_params)
    return fail(ErrorCode::usage, "--min-params is above --max-params", "Swap them.");
  if (!options.local && options.models_dir.empty()) return {};
  if (!options.quant.empty())
    return fail(ErrorCode::usage, "--local lists files as they are, so --quant has nothing to choose",
                "Drop one of them.");
  if (!options.capabilities.empty() || !options.families.empty() || !options.licenses.empty() ||
      options.order == FitOrder::score)
    return fail(
        ErrorCode::usage,
        "--capability, --family, --license and --order score go by the catalog's entries, which files "
        "on disk do not have",
        "Drop --local, or filter by --min-params and --min-speed.");
  return {};
}

bool slow_at_the_top(const FitReport& report) {
  return std::any_of(report.rows.begin(), report.rows.end(), [](const FitRow& row) {
    return row.estimate.decode_speed && row.estimate.decode_speed->mid.per_second() < reading_speed;
  });
}

/// The one flag most worth changing next, as a clause.
std::string next_step(const FitOptions& options, const FitReport& report) {
  const Bytes cache = options.estimate.sizing.residency.prompt_cache_cap;
  constexpr int large_part = 4;
  const bool cache_matters = report.budget.known() && cache * large_part > *report.budget.value;
  if (report.rows.empty()) {
    if (report.considered == 0)
      return report.local ? "--models-dir DIR names a folder with GGUF files" : "fewer filters";
    if (report.speeds_unknown)
      return "--bandwidth GB/s or --cpu NAME says how fast memory is, which --min-speed needs";
    if (options.lowest_speed) return "a lower --min-speed";
    if (cache_matters) return fmt::format("--cache-ram 0 frees the {} kept for prompts", size_text(cache));
    return "a larger --ram or --gpu, a smaller -c, or fewer filters";
  }
  if (cache_matters)
    return fmt::format("--cache-ram 0 frees the {} kept for prompts, for larger models", size_text(cache));
  if (!report.rows.front().estimate.decode_speed)
    return "--bandwidth GB/s or --cpu NAME gives speeds, which --min-speed can then filter";
  if (!options.lowest_speed && slow_at_the_top(report))
    return fmt::format("--min-speed {:.0f} leaves out what decodes slower than people read", reading_speed);
  if (report.rows.front().estimate.footprint.repacked.size > Bytes(0) &&
      report.rows.front().estimate.residency.load_mode == LoadMode::mmap)
    return "--no-mmap keeps one copy of the weights instead of two, for larger models";
  return fmt::format("llmsize estimate -m {} shows where its memory goes",
                     report.rows.front().estimate.model.id);
}

}  // namespace

Result<Outcome> fit(const Services& services, const Host& host, FitOptions options) {
  if (auto checked = check(options); !checked) return tl::unexpected(checked.error());
  if (auto known = check_cpu(services, options.estimate.speed.cpu); !known)
    return tl::unexpected(known.error());
  FitReport report;
  report.order = options.order;
  report.local = options.local || !options.models_dir.empty();
  report.budget = host_budget(options.estimate, host);
  report.bound_by = options.estimate.ram ? "--ram" : host.effective.bound_by;
  report.budget_named = options.estimate.ram || options.estimate.host_named ||
                        !options.estimate.gpus.wishes.empty() || options.estimate.requirement;
  auto constants = catalog::load_throughput(services.catalog);
  if (!constants) return tl::unexpected(constants.error());
  options.estimate.speed.constants = std::make_shared<const catalog::ThroughputTable>(std::move(*constants));
  const auto most = options.all ? std::numeric_limits<std::size_t>::max()
                                : static_cast<std::size_t>(options.limit.value_or(usual_limit));
  if (report.local) {
    if (auto found = search_local(services, host, options, most, report); !found)
      return tl::unexpected(found.error());
  } else {
    const auto candidates = fit_candidates(services, options, report.notes);
    if (!candidates) return tl::unexpected(candidates.error());
    report.considered = candidates->size();
    if (auto found = search_fit(services, host, options, *candidates, most, report); !found)
      return tl::unexpected(found.error());
  }
  report.next_step = next_step(options, report);
  const bool fails = report.budget_named && report.rows.empty();
  return Outcome{options.json ? render::fit_json(report) : render::fit_text(report),
                 fails ? exit_status::does_not_fit : exit_status::done};
}

}  // namespace llmsize::app
