#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "llmsize/app/outcome.hpp"
#include "llmsize/app/plan_command.hpp"
#include "llmsize/app/services.hpp"
#include "llmsize/core/fleet_report.hpp"
#include "llmsize/core/result.hpp"

namespace llmsize::app {

/// What a plan for many hosts takes beside the options of every plan.
struct FleetOptions {
  std::string folder;                               ///< --hosts DIR of saved probes.
  bool skip_bad = false;                            ///< --skip-bad
  std::optional<std::int64_t> replicas;             ///< --replicas N: of every other role.
  std::map<std::string, std::int64_t> replicas_of;  ///< --replicas ROLE=N
  std::map<std::string, double> demand_of;          ///< --demand ROLE=TOKENS/S
  bool pin_hosts = false;                           ///< --pin-hosts: name hosts where a format selects them.
  [[nodiscard]] bool counts_replicas() const {
    return replicas || !replicas_of.empty() || !demand_of.empty();
  }
};

/// Plans for every host of the folder: each its own plan, or so many replicas of each role over all of them.
/// Errors: those of `read_fleet_hosts`, usage for unknown roles and for options that describe one machine.
Result<FleetReport> plan_fleet(const Services& services, const PlanOptions& options,
                               const FleetOptions& fleet);

/// The same as an answer. Exit status 3 where a required role or one that was asked for lacks replicas.
Result<Outcome> run_fleet_plan(const Services& services, const PlanOptions& options,
                               const FleetOptions& fleet);

}  // namespace llmsize::app
