#pragma once
#include <optional>

#include "llmsize/app/estimate_command.hpp"

namespace llmsize::app {

/// A report with what it was made from; `sizing` is absent for bare parameters.
struct SizedReport {
  EstimateReport report;
  std::optional<Sizing> sizing;
};

/// Errors: usage for options that contradict each other.
Result<void> check_options(const EstimateOptions& options);

/// The host's memory that the answer may use: --ram, else what `host` has.
Fact<Bytes> host_budget(const EstimateOptions& options, const Host& host);

/// Takes instruction sets and devices that the options leave open from the host. Errors: those of --gpu.
Result<void> fill_from_host(const Services& services, const Host& host, EstimateOptions& options,
                            std::vector<std::string>& notes);

/// Sizes what `options` name and judges it against --ram and --gpu or `host`. Devices and instruction sets
/// that the options leave open are filled in from the host.
Result<SizedReport> judged_report(const Services& services, const Host& host, EstimateOptions& options);

/// Adds what no verdict needs: speed, the guide's rule of thumb and the next flag to change.
Result<void> complete_report(const Services& services, const Host& host, const EstimateOptions& options,
                             SizedReport& sized);

/// The whole answer: checked, sized (or solved), judged and completed.
Result<SizedReport> estimate_report(const Services& services, const Host& host, EstimateOptions& options);

/// Whether the requirement is met; the default is `runs`.
bool is_met(const std::optional<Requirement>& requirement, Fit fit);
int exit_status_of(const EstimateOptions& options, const EstimateReport& report);

}  // namespace llmsize::app
