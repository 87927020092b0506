#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "llmsize/app/plan_command.hpp"
#include "llmsize/app/prepared_plan.hpp"
#include "llmsize/app/services.hpp"
#include "llmsize/core/fleet.hpp"
#include "llmsize/core/host_class.hpp"
#include "llmsize/core/role.hpp"

namespace llmsize::app {

/// Plans for the hosts of one class: every variant is sized once, however many sets of roles are asked for.
class ClassPlanner {
 public:
  static Result<ClassPlanner> make(const Services& services, const PlanOptions& options,
                                   const std::vector<RoleDefinition>& roles, const MachineClass& machines,
                                   std::shared_ptr<PlanSizer> sizer);

  [[nodiscard]] bool has_gpus() const { return !prepared_.gpus.empty(); }
  /// Counts speed, too, as hosts with GPUs do, so that both compare.
  void weigh_speed();
  /// Every set of roles that a host can serve, with what each role is worth there.
  Result<FleetClass> choices();
  /// Decode speed of a role in one of those sets; unknown where the memory's bandwidth is.
  std::optional<double> speed(FleetRoles roles, std::size_t role);
  /// The whole plan of a host: of these roles, or of all that its own plan can place.
  Result<PlanReport> plan(std::optional<FleetRoles> roles);
  /// The least more memory with which a host would serve exactly these roles.
  [[nodiscard]] std::optional<Bytes> lacking(FleetRoles roles) const;
  /// For other classes with the same instruction sets.
  [[nodiscard]] std::shared_ptr<PlanSizer> sizer() const { return prepared_.sizer; }
  [[nodiscard]] const PlanRequest& request() const { return prepared_.report.request; }

 private:
  ClassPlanner(const Services& services, const PlanOptions& options, const MachineClass& machines,
               PreparedPlan prepared)
      : services_(&services), options_(&options), machines_(&machines), prepared_(std::move(prepared)) {}

  /// A role's variant in the plan of a set.
  const PlanVariant* variant_of(FleetRoles roles, std::size_t role) const;

  const Services* services_;
  const PlanOptions* options_;
  const MachineClass* machines_;
  PreparedPlan prepared_;
  std::optional<PlanRequest> bound_;  ///< With a pool for each NUMA node.
  struct Chosen {
    RoleChoice choice;
    bool bound = false;  ///< Its variants are those of `bound_`.
  };
  std::map<FleetRoles, Chosen> chosen_;
  std::map<std::string, std::optional<double>> speeds_;  ///< By variant.
};

}  // namespace llmsize::app
