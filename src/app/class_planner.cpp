#include "llmsize/app/class_planner.hpp"

#include "llmsize/app/plan_inputs.hpp"

namespace llmsize::app {
namespace {

/// 0 where the role has no such option.
std::int64_t worth_with(const PlanRole& role, std::size_t variant) {
  for (const auto& option : role.options)
    if (option.variant == variant) return worth_of(role, option);
  return 0;
}

}  // namespace

Result<ClassPlanner> ClassPlanner::make(const Services& services, const PlanOptions& options,
                                        const std::vector<RoleDefinition>& roles,
                                        const MachineClass& machines, std::shared_ptr<PlanSizer> sizer) {
  auto prepared = prepare_plan(services, machines.smallest, options, roles, std::move(sizer));
  if (!prepared) return tl::unexpected(prepared.error());
  return ClassPlanner(services, options, machines, std::move(*prepared));
}

const PlanVariant* ClassPlanner::variant_of(FleetRoles roles, std::size_t role) const {
  const auto found = chosen_.find(roles);
  if (found == chosen_.end()) return nullptr;
  const auto& [choice, bound] = found->second;
  for (const auto& [of_role, variant] : choice.variants)
    if (of_role == role) return &(bound ? *bound_ : request()).variants[variant];
  return nullptr;
}

void ClassPlanner::weigh_speed() {
  app::weigh_speed(machines_->smallest, *options_, *prepared_.sizer, prepared_.report);
}

std::optional<double> ClassPlanner::speed(FleetRoles roles, std::size_t role) {
  const PlanVariant* variant = variant_of(roles, role);
  if (variant == nullptr) return std::nullopt;
  const auto [found, fresh] = speeds_.try_emplace(variant->id);
  if (fresh)
    found->second =
        variant->decode_tokens_per_second
            ? variant->decode_tokens_per_second
            : prepared_.sizer->decode_speed(*variant, machines_->smallest, speed_request(*options_));
  return found->second;
}

Result<FleetClass> ClassPlanner::choices() {
  auto whole = role_choices(request());
  if (!whole) return tl::unexpected(whole.error());
  for (const auto& choice : *whole) chosen_[choice.roles] = {choice, false};
  bound_ = bound_to_nodes(machines_->smallest, *options_, request());
  if (bound_) {
    auto by_node = role_choices(*bound_);
    if (!by_node) return tl::unexpected(by_node.error());
    // Local memory is faster, so that equals are bound, as in the plan of one host.
    for (const auto& choice : *by_node) {
      const auto found = chosen_.find(choice.roles);
      if (found == chosen_.end() || choice.worth >= found->second.choice.worth)
        chosen_[choice.roles] = {choice, true};
    }
  }
  FleetClass made;
  made.hosts = static_cast<std::int64_t>(machines_->members.size());
  for (const auto& [roles, chosen] : chosen_) {
    FleetPattern pattern;
    pattern.roles = roles;
    pattern.value = chosen.choice.worth;
    pattern.warm = chosen.choice.warm;
    pattern.by_role.assign(request().roles.size(), 0);
    const PlanRequest& from = chosen.bound ? *bound_ : request();
    for (const auto& [role, variant] : chosen.choice.variants)
      pattern.by_role[role] = worth_with(from.roles[role], variant);
    made.patterns.push_back(std::move(pattern));
  }
  return made;
}

Result<PlanReport> ClassPlanner::plan(std::optional<FleetRoles> roles) {
  PlanReport report = prepared_.report;
  if (roles) {
    std::vector<PlanRole> kept;
    for (std::size_t role = 0; role < report.request.roles.size(); ++role)
      if ((*roles & role_bit(role)) != 0) kept.push_back(std::move(report.request.roles[role]));
    report.request.roles = std::move(kept);
  }
  return finish_plan(*services_, machines_->smallest, *options_, *prepared_.sizer, std::move(report));
}

std::optional<Bytes> ClassPlanner::lacking(FleetRoles roles) const {
  return lacking_memory(request(), roles);
}

}  // namespace llmsize::app
