#include <fmt/format.h>

#include "llmsize/app/emitted.hpp"
#include "llmsize/app/fleet_plan.hpp"
#include "llmsize/app/prepared_plan.hpp"
#include "llmsize/render/fleet.hpp"

namespace llmsize::app {
namespace {

/// Groups that serve something, as emitters take them.
FleetDeployment deployment_of_fleet(const FleetReport& report, const FleetOptions& fleet) {
  FleetDeployment deployment;
  deployment.title =
      fmt::format("llmsize plan for {} hosts in {} classes", report.hosts.size(), report.classes.size());
  deployment.document = render::fleet_json(report);
  deployment.pin_hosts = fleet.pin_hosts;
  for (const auto& group : report.groups) {
    if (group.plan.deployment.servers.empty()) continue;
    HostClass hosts;
    hosts.id = group.id;
    hosts.machine_class = report.classes[group.machine_class].id;
    for (const std::size_t host : group.hosts) hosts.hosts.push_back(report.hosts[host].name);
    hosts.deployment = group.plan.deployment;
    deployment.classes.push_back(std::move(hosts));
  }
  return deployment;
}

}  // namespace

Result<Outcome> run_fleet_plan(const Services& services, const PlanOptions& options,
                               const FleetOptions& fleet) {
  if (auto checked = check_plan_options(services, options); !checked) return tl::unexpected(checked.error());
  PlanOptions of_hosts = options;
  // Who asks a fleet's servers is on another host.
  of_hosts.serving.listen_address = "0.0.0.0";
  const auto report = plan_fleet(services, of_hosts, fleet);
  if (!report) return tl::unexpected(report.error());
  const int status = report->lacks_any() ? exit_status::does_not_fit : exit_status::done;
  const bool one_document = options.out.empty() && (options.emit.empty() || options.emit == "json");
  if (!one_document) return emitted(services, options, deployment_of_fleet(*report, fleet), status);
  const bool json = options.json || !options.emit.empty();
  return Outcome{json ? render::fleet_json(*report) : render::fleet_text(*report), status};
}

}  // namespace llmsize::app
