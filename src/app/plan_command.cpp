#include "llmsize/app/plan_command.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "llmsize/app/plan_sizing.hpp"
#include "llmsize/catalog/guide.hpp"
#include "llmsize/catalog/model_names.hpp"
#include "llmsize/catalog/roles.hpp"
#include "llmsize/catalog/tiers.hpp"
#include "llmsize/core/plan_report.hpp"
#include "llmsize/core/text.hpp"
#include "llmsize/render/plan.hpp"

namespace llmsize::app {
namespace {

/// llama-server's own default for slots is 4; the plan names it, so that nothing hangs on a default.
constexpr std::int64_t default_parallel = 4;
constexpr std::int64_t default_context = 8192;

/// The quants that each policy may choose, best first.
const std::vector<std::string>& quants_of(PlanPolicy policy) {
  static const std::vector<std::string> balanced = {"Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K"};
  static const std::vector<std::string> quality = {"F16", "Q8_0", "Q6_K"};
  static const std::vector<std::string> speed = {"Q4_K_M", "Q3_K_M", "Q2_K"};
  switch (policy) {
    case PlanPolicy::quality:
      return quality;
    case PlanPolicy::speed:
      return speed;
    case PlanPolicy::balanced:
      break;
  }
  return balanced;
}

struct Pin {
  std::string model;
  std::string quant;  ///< Empty: any.
};

Result<std::map<std::string, Pin>> parse_pins(const Services& services, const PlanOptions& options,
                                              const std::vector<RoleDefinition>& roles) {
  std::map<std::string, Pin> pins;
  for (const auto& text : options.pins) {
    const auto equals = text.find('=');
    const std::string role = text.substr(0, equals);
    const bool known =
        std::any_of(roles.begin(), roles.end(), [&](const RoleDefinition& r) { return r.id == role; });
    if (equals == std::string::npos || !known)
      return fail(ErrorCode::usage, fmt::format("--pin {}: \"{}\" is no role of this plan", text, role),
                  "For example --pin frontdoor=qwen3-coder-30b-a3b-instruct:Q4_K_M.");
    Pin pin;
    const std::string wanted = text.substr(equals + 1);
    // An alias may hold a colon itself, so the whole is tried before its last part counts as a quant.
    if (const auto whole = catalog::find_model(services.catalog, wanted)) {
      pin.model = std::string(whole->entry.id);
      pin.quant = whole->file_type.value_or("");
    } else {
      const auto colon = wanted.rfind(':');
      const auto named = catalog::find_model(services.catalog, wanted.substr(0, colon));
      if (!named) return tl::unexpected(named.error());
      pin.model = std::string(named->entry.id);
      if (colon != std::string::npos) pin.quant = wanted.substr(colon + 1);
    }
    pins[role] = std::move(pin);
  }
  return pins;
}

/// Collects variants and options role by role.
class Assembly {
 public:
  Assembly(const Services& services, const PlanOptions& options, QuantLosses losses, PlanReport& report)
      : options_(options),
        losses_(std::move(losses)),
        report_(report),
        sizer_(services, residency(options)) {}

  Result<void> add_roles(const std::vector<RoleDefinition>& roles, const std::map<std::string, Pin>& pins) {
    count_users(roles, pins);
    for (const auto& role : roles) {
      const auto pin = pins.find(role.id);
      if (auto added = add_role(role, pin == pins.end() ? nullptr : &pin->second); !added) return added;
    }
    if (unknown_licences_.empty()) return {};
    report_.notes.push_back(
        fmt::format("{} models state no license in the catalog, so the filter left them out: {}",
                    unknown_licences_.size(), fmt::join(unknown_licences_, ", ")));
    return {};
  }

 private:
  static Residency residency(const PlanOptions& options) {
    Residency residency;
    residency.isa = {"avx2"};
    residency.prompt_cache_cap = options.prompt_cache;
    return residency;
  }

  [[nodiscard]] RoleRun run_of(const std::string& role) const {
    RoleRun run{options_.context_tokens.value_or(default_context),
                options_.parallel.value_or(default_parallel)};
    if (const auto own = options_.context_of.find(role); own != options_.context_of.end())
      run.context_tokens = own->second;
    if (const auto own = options_.parallel_of.find(role); own != options_.parallel_of.end())
      run.parallel = own->second;
    return run;
  }

  static std::vector<RoleCandidate> candidates_of(const RoleDefinition& role, const Pin* pin) {
    if (pin == nullptr) return role.candidates;
    for (const auto& candidate : role.candidates)
      if (candidate.model == pin->model) return {candidate};
    RoleCandidate pinned;
    pinned.model = pin->model;
    pinned.capability = overridden(1.0, "--pin");
    return {pinned};
  }

  [[nodiscard]] std::string key(const std::string& role, const std::string& model) const {
    const RoleRun run = run_of(role);
    return fmt::format("{} {}x{}", model, run.context_tokens, run.parallel);
  }

  /// How many roles could share an instance of each model: that many sizes are needed.
  void count_users(const std::vector<RoleDefinition>& roles, const std::map<std::string, Pin>& pins) {
    for (const auto& role : roles) {
      const auto pin = pins.find(role.id);
      for (const auto& candidate : candidates_of(role, pin == pins.end() ? nullptr : &pin->second))
        ++users_[key(role.id, candidate.model)];
    }
  }

  bool licence_allows(const std::string& model) {
    if (options_.licences.empty()) return true;
    const auto licence = sizer_.licence(model);
    if (!licence.known()) {
      unknown_licences_.insert(model);
      return false;
    }
    return std::any_of(options_.licences.begin(), options_.licences.end(), [&](const std::string& wanted) {
      return lower_case(*licence.value) == lower_case(wanted);
    });
  }

  [[nodiscard]] double retained(const std::string& quant) const {
    // A mean divergence of d nats keeps exp(-d) of the likelihood per token.
    const auto loss = losses_.find(quant);
    return loss == losses_.end() ? 1.0 : std::exp(-loss->second);
  }

  Result<void> add_role(const RoleDefinition& role, const Pin* pin) {
    PlanRole planned;
    planned.id = role.id;
    planned.priority = role.priority;
    planned.weight = role.weight;
    planned.required = role.required || pin != nullptr;
    planned.preference = role.preference;
    planned.cloud = role.cloud;
    if (pin == nullptr && report_.budget.total < gibibytes(role.lowest_gib)) {
      planned.unavailable_because =
          fmt::format("left out below {}, as the guide does; --pin {}=MODEL asks for it",
                      size_text(gibibytes(role.lowest_gib)), role.id);
      report_.request.roles.push_back(std::move(planned));
      return {};
    }
    std::string last_error;
    for (const auto& candidate : candidates_of(role, pin)) {
      const auto& excluded = options_.excluded;
      if (std::find(excluded.begin(), excluded.end(), candidate.model) != excluded.end()) continue;
      if (!licence_allows(candidate.model)) continue;
      const std::vector<std::string> quants =
          pin != nullptr && !pin->quant.empty() ? std::vector{pin->quant} : quants_of(options_.policy);
      for (const auto& quant : quants) {
        const double quality = candidate.capability.value_or(0) * retained(quant);
        if (options_.lowest_quality && quality < *options_.lowest_quality) continue;
        const auto variant = variant_index(role.id, candidate.model, quant);
        if (variant)
          planned.options.push_back({*variant, quality});
        else if (pin != nullptr)
          return tl::unexpected(variant.error());
        else
          last_error = variant.error().message;
      }
    }
    if (planned.options.empty())
      planned.unavailable_because =
          last_error.empty() ? "no model passes the filters" : "no model could be sized: " + last_error;
    report_.request.roles.push_back(std::move(planned));
    return {};
  }

  Result<std::size_t> variant_index(const std::string& role, const std::string& model,
                                    const std::string& quant) {
    const std::string name = key(role, model) + " " + quant;
    if (const auto found = variants_.find(name); found != variants_.end()) return found->second;
    auto variant = sizer_.variant(model, quant, run_of(role), users_[key(role, model)]);
    if (!variant) return tl::unexpected(variant.error());
    report_.request.variants.push_back(std::move(*variant));
    return variants_[name] = report_.request.variants.size() - 1;
  }

  const PlanOptions& options_;
  QuantLosses losses_;
  PlanReport& report_;
  PlanSizer sizer_;
  std::map<std::string, std::size_t> users_;
  std::map<std::string, std::size_t> variants_;
  std::set<std::string> unknown_licences_;
};

/// Total, reserve and margin: of a hypothetical machine by rule, of a real one by what is in use.
Result<void> set_budget(const Host& host, const PlanOptions& options, const GuideFactors& factors,
                        PlanReport& report) {
  Bytes total, reserve;
  if (options.ram) {
    total = *options.ram;
    reserve = default_os_reserve(total, factors);
    report.host = "a machine with " + size_text(total);
    report.bound_by = "--ram";
    report.os_reserve_source = "the smaller of 16 GiB and a quarter of RAM";
  } else {
    if (!host.memory.total.known() || !host.effective.memory.known())
      return fail(ErrorCode::not_found, "this host's memory is unknown",
                  "Give --ram SIZE, for example --ram 256.");
    total = *host.memory.total.value;
    if (host.limits.memory_max.known()) total = std::min(total, *host.limits.memory_max.value);
    reserve = std::max(Bytes(0), total - *host.effective.memory.value);
    report.host = host.name.empty() ? "this host" : host.name;
    report.bound_by = host.effective.bound_by;
    report.os_reserve_source = "measured: what is in use now";
  }
  if (options.guide_method) {
    reserve = factors.os_reserve;
    report.os_reserve_source = "the guide's fixed reserve";
  }
  if (options.os_reserve) {
    reserve = *options.os_reserve;
    report.os_reserve_source = "--os-reserve";
  }
  constexpr double percent = 100;
  const double share = options.safety_percent ? *options.safety_percent / percent : factors.safety_share;
  report.safety_source = options.safety_percent ? "--margin" : "the guide's 15 %";
  const Bytes safety(std::llround(static_cast<double>(total.value()) * share));
  report.budget = split_budget(total, reserve, safety, factors);
  report.request.pools = {{"ram", "ram", total, reserve, safety}};
  return {};
}

/// Below the guide's limit its advice is a mock: roles that found no place say so.
void mark_mocks(const GuideFactors& factors, PlanReport& report) {
  if (report.budget.total >= factors.mock_below) return;
  for (auto& role : report.plan.roles) {
    if (role.status != RoleStatus::dropped) continue;
    role.status = RoleStatus::mock;
    role.reason = "mocked: " + role.reason;
  }
  report.notes.push_back("Below " + size_text(factors.mock_below) +
                         " the guide advises mock mode or models of 0.5B to 1.5B; the roles placed here are "
                         "the best real models that fit.");
}

std::string next_flag(const PlanReport& report) {
  if (report.plan.next_step)
    return fmt::format("{} more memory would place {}", size_text(report.plan.next_step->extra),
                       report.plan.next_step->role);
  return "-c sets another context, --policy quality larger quants";
}

void add_spare_uses(PlanReport& report) {
  if (report.plan.pools.empty()) return;
  const Bytes spare = report.plan.pools.front().headroom;
  for (const auto& instance : report.plan.instances) {
    const PlanVariant& variant = report.request.variants[instance.variant];
    const bool workers =
        std::find(instance.roles.begin(), instance.roles.end(), "workers") != instance.roles.end();
    if (!workers || variant.memory_by_roles.empty() || variant.memory_by_roles.front().value() <= 0) continue;
    const std::int64_t more = spare.value() / variant.memory_by_roles.front().value();
    if (more > 0)
      report.notes.push_back(
          fmt::format("The {} left over would take {} more instances of the workers' model ({} each).",
                      size_text(spare), more, size_text(variant.memory_by_roles.front())));
    if (variant.kv_per_role.value() > 0 && spare > variant.kv_per_role)
      report.notes.push_back(
          fmt::format("Or {} tokens more context for it, at {} per {} tokens.",
                      grouped(spare.value() / variant.kv_per_role.value() * variant.context_tokens),
                      size_text(variant.kv_per_role), grouped(variant.context_tokens)));
  }
}

int exit_status_of(const PlanReport& report) {
  for (const auto& role : report.plan.roles)
    if (role.required && !role.instance && role.status != RoleStatus::cloud) return exit_status::does_not_fit;
  return exit_status::done;
}

}  // namespace

Result<Outcome> run_plan(const Services& services, const Host& host, const PlanOptions& options) {
  const auto factors = catalog::load_guide_factors(services.catalog);
  if (!factors) return tl::unexpected(factors.error());
  const auto rules = catalog::load_tiers(services.catalog);
  if (!rules) return tl::unexpected(rules.error());
  auto losses = catalog::load_quant_losses(services.catalog);
  if (!losses) return tl::unexpected(losses.error());
  const auto roles = catalog::load_role_set(services.catalog, options.role_set);
  if (!roles) return tl::unexpected(roles.error());
  const auto pins = parse_pins(services, options, *roles);
  if (!pins) return tl::unexpected(pins.error());

  PlanReport report;
  if (auto set = set_budget(host, options, *factors, report); !set) return tl::unexpected(set.error());
  report.tier = tier_of(report.budget.total, *rules);
  Assembly assembly(services, options, std::move(*losses), report);
  if (auto added = assembly.add_roles(*roles, *pins); !added) return tl::unexpected(added.error());
  auto plan = solve_with_ladder(report.request);
  if (!plan) return tl::unexpected(plan.error());
  report.plan = std::move(*plan);
  mark_mocks(*factors, report);
  add_spare_uses(report);
  report.notes.push_back(
      fmt::format("Each server's prompt cache is capped at {}; llama-server's own default is 8 GiB, so "
                  "set --cache-ram on every command line.",
                  size_text(options.prompt_cache)));
  report.notes.push_back(
      "The vision role's image projector is not counted: the catalog has no projector sizes yet.");
  report.next_step = next_flag(report);
  return Outcome{options.json ? render::plan_json(report) : render::plan_text(report),
                 exit_status_of(report)};
}

}  // namespace llmsize::app
