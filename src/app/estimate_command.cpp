#include "llmsize/app/estimate_command.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "llmsize/app/engine_arguments.hpp"
#include "llmsize/app/estimate_report.hpp"
#include "llmsize/app/guide_comparison.hpp"
#include "llmsize/app/hosts_comparison.hpp"
#include "llmsize/app/limits.hpp"
#include "llmsize/app/solve.hpp"
#include "llmsize/render/arguments.hpp"
#include "llmsize/render/estimate.hpp"

namespace llmsize::app {

namespace {

/// Answers that leave other questions out, which must be said rather than dropped.
Result<void> check_answer(const EstimateOptions& o) {
  const bool many = !o.hosts_folder.empty();
  if (o.guide_method && (many || o.arguments_only || o.solve || o.stress || o.kv_budget))
    return fail(
        ErrorCode::usage,
        "--method guide only multiplies parameters: --hosts, --args, --solve, --stress and --kv-budget "
        "ask for more",
        "Drop --method guide.");
  if (many && (o.arguments_only || o.explain || o.kv_budget))
    return fail(ErrorCode::usage, "--hosts gives one line a host: --args, --explain and --kv-budget say more",
                "Name one host with --host FILE.");
  return {};
}

}  // namespace

Result<SizedReport> estimate_report(const Services& services, const Host& host, EstimateOptions& options) {
  if (auto checked = check_options(options); !checked) return tl::unexpected(checked.error());
  if (auto stressed = apply_stress(options); !stressed) return tl::unexpected(stressed.error());
  auto sized =
      options.solve ? solved_report(services, host, options) : judged_report(services, host, options);
  if (!sized) return sized;
  if (auto completed = complete_report(services, host, options, *sized); !completed)
    return tl::unexpected(completed.error());
  add_limits(options, *sized);
  return sized;
}

Result<Outcome> estimate(const Services& services, const Host& host, EstimateOptions options) {
  if (auto checked = check_answer(options); !checked) return tl::unexpected(checked.error());
  if (options.guide_method) {
    if (auto checked = check_options(options); !checked) return tl::unexpected(checked.error());
    return guide_estimate(services, options);
  }
  if (!options.hosts_folder.empty()) return compare_hosts(services, options);
  const auto sized = estimate_report(services, host, options);
  if (!sized) return tl::unexpected(sized.error());
  const EstimateReport& report = sized->report;
  const int status = exit_status_of(options, report);
  if (options.arguments_only) {
    const auto arguments = engine_arguments(services, options, report);
    if (!arguments) return tl::unexpected(arguments.error());
    const auto& [words, missing] = *arguments;
    if (options.json) return Outcome{render::arguments_json(words, missing), status};
    return Outcome{render::arguments_text(words), status, fmt::format("{}", fmt::join(missing, "; "))};
  }
  return Outcome{
      options.json ? render::estimate_json(report) : render::estimate_text(report, options.explain), status};
}

}  // namespace llmsize::app
