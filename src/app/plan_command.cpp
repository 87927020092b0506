#include "llmsize/app/plan_command.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "llmsize/app/emitted.hpp"
#include "llmsize/app/plan_inputs.hpp"
#include "llmsize/app/prepared_plan.hpp"
#include "llmsize/catalog/guide.hpp"
#include "llmsize/catalog/tiers.hpp"
#include "llmsize/core/deployment.hpp"
#include "llmsize/core/plan_report.hpp"
#include "llmsize/core/text.hpp"
#include "llmsize/render/plan.hpp"

namespace llmsize::app {
namespace {

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

/// The role whose next better choice lacked the least; beyond the last one where there is none.
std::size_t nearest_step(const PlanReport& report) {
  std::size_t nearest = report.runner_ups.size();
  for (std::size_t i = 0; i < report.runner_ups.size(); ++i) {
    const auto& candidate = report.runner_ups[i];
    if (!candidate) continue;
    if (nearest == report.runner_ups.size() || candidate->lacked < report.runner_ups[nearest]->lacked)
      nearest = i;
  }
  return nearest;
}

/// "9.24 GiB more RAM (7.85 GiB of it for models) would make room for": what memory alone would bring.
std::string more_memory(const GuideFactors& factors, Bytes extra, PlanReport& report) {
  report.next_ram = growth_for(report.budget, extra, report.reserve_by_rule, factors);
  return fmt::format("{} more RAM ({} of it for models) would make room for", size_text(*report.next_ram),
                     size_text(extra));
}

std::string next_flag(const GuideFactors& factors, PlanReport& report) {
  if (!report.needed_fact.empty()) return report.needed_fact;
  if (const auto& next = report.plan.next_step)
    return fmt::format("{} {}", more_memory(factors, next->extra, report), next->role);
  if (const auto& gain = report.plan.next_gain) {
    constexpr std::size_t most_named = 2;
    const std::size_t others = gain->changed.size() - std::min(most_named, gain->changed.size());
    const std::vector<std::string> named(gain->changed.begin(),
                                         gain->changed.end() - static_cast<std::ptrdiff_t>(others));
    return fmt::format("{} {}{}", more_memory(factors, gain->extra, report), fmt::join(named, ", "),
                       others == 0   ? ""
                       : others == 1 ? " and one other change"
                                     : fmt::format(" and {} other changes", others));
  }
  // Over several pools that search would take too long; with all else as planned is what is known there.
  if (const std::size_t role = nearest_step(report); role < report.runner_ups.size()) {
    const RunnerUp& step = *report.runner_ups[role];
    const PlanVariant& variant = report.request.variants[step.variant];
    const std::string choice =
        fmt::format("{}: {} {}", report.plan.roles[role].role, variant.model, variant.quant);
    if (variant.pool == 0) return fmt::format("{} {}", more_memory(factors, step.lacked, report), choice);
    return fmt::format("{} more of {} would make room for {}", size_text(step.lacked),
                       report.request.pools[variant.pool].id, choice);
  }
  return "-c sets another context, --policy quality larger quants";
}

/// File, speed and load time of the variants that the plan uses.
Result<void> describe_instances(const Host& host, const PlanOptions& options, PlanSizer& sizer,
                                PlanReport& report) {
  const auto rate = storage_rate(host, options.storage_rate);
  for (const auto& instance : report.plan.instances) {
    PlanVariant& variant = report.request.variants[instance.variant];
    const auto file = sizer.file(variant);
    if (!file) return tl::unexpected(file.error());
    report.files[instance.variant] = *file;
    if (rate.known() && rate.value->per_second() > 0)
      variant.load_seconds = static_cast<double>(file->size.value()) / rate.value->per_second();
    if (!variant.decode_tokens_per_second)
      variant.decode_tokens_per_second = sizer.decode_speed(variant, host, speed_request(options));
  }
  return {};
}

/// Files of --models-dir that are missing or whose size tells that they are something else.
void check_files(const Services& services, const PlanOptions& options, PlanReport& report) {
  if (options.serving.models_dir.empty()) return;
  constexpr Bytes header_tolerance = mebibytes(64);
  for (const auto& [variant, file] : report.files) {
    const std::string path = options.serving.models_dir + "/" + file.name;
    const auto opened = services.files.open(path);
    if (!opened) {
      report.notes.push_back(fmt::format("{} is not there yet: {} bytes are expected{}.", path,
                                         file.size.value(),
                                         file.repository.empty() ? "" : ", from " + file.repository));
      continue;
    }
    const Bytes off = (*opened)->size() - file.size;
    if (off > header_tolerance || off < Bytes(0) - header_tolerance)
      report.notes.push_back(
          fmt::format("{} has {} bytes where {} are expected: is it another model or quant?", path,
                      (*opened)->size().value(), file.size.value()));
  }
}

int exit_status_of(const PlanReport& report) {
  for (const auto& role : report.plan.roles)
    if (role.required && !role.instance && role.status != RoleStatus::cloud) return exit_status::does_not_fit;
  return exit_status::done;
}

/// A longer context than a model learned works in the engine, and badly in answers.
void note_long_contexts(PlanReport& report) {
  std::set<std::string> noted;
  for (const auto& instance : report.plan.instances) {
    const PlanVariant& variant = report.request.variants[instance.variant];
    if (variant.trained_context <= 0 || variant.context_tokens <= variant.trained_context) continue;
    if (noted.insert(variant.model).second)
      report.notes.push_back(fmt::format("{} was trained for {} tokens; the {} of {} go beyond that.",
                                         variant.model, grouped(variant.trained_context),
                                         grouped(variant.context_tokens), fmt::join(instance.roles, ", ")));
  }
}

void add_notes(const PlanOptions& options, PlanReport& report) {
  note_long_contexts(report);
  report.notes.push_back(
      fmt::format("Each server's prompt cache is capped at {}; llama-server's own default is 8 GiB, so "
                  "set --cache-ram on every command line.",
                  size_text(options.prompt_cache)));
  for (const auto& instance : report.plan.instances) {
    const PlanVariant& variant = report.request.variants[instance.variant];
    const bool sees =
        std::any_of(report.request.roles.begin(), report.request.roles.end(), [&](const PlanRole& role) {
          return role.vision &&
                 std::find(instance.roles.begin(), instance.roles.end(), role.id) != instance.roles.end();
        });
    if (sees && variant.projector == Bytes(0))
      report.notes.push_back(fmt::format(
          "The image projector of {} is not counted: the catalog does not have its shape.", variant.model));
  }
}

/// Bound to its NUMA nodes where that serves the same roles as well: local memory is faster.
Result<void> solve_report(const Host& host, const PlanOptions& options, PlanReport& report) {
  auto plan = solve(report.request);
  if (!plan) return tl::unexpected(plan.error());
  if (auto bound = bound_to_nodes(host, options, report.request)) {
    auto apart = solve(*bound);
    if (!apart) return tl::unexpected(apart.error());
    report.numa_nodes = std::max(report.numa_nodes, 2);
    if (is_at_least_as_good(*apart, *plan)) {
      report.request = std::move(*bound);
      plan = std::move(apart);
    }
  }
  report.plan = std::move(*plan);
  add_ladder(report.request, report.plan);
  return {};
}

/// Why each role got what it got, what is left, and what the guide would have done.
Result<void> explain_plan(const Services& services, const GuideFactors& factors, PlanReport& report) {
  report.runner_ups = runner_ups(report.request, report.plan);
  report.spare_uses = spare_uses(report.request, report.plan);
  report.next_step = next_flag(factors, report);
  const auto guide = catalog::load_guide_configuration(services.catalog, report.budget.total);
  if (!guide) return tl::unexpected(guide.error());
  report.guide_advice = compare_with_guide(report.request, report.plan, *guide);
  return {};
}

}  // namespace

Result<void> check_plan_options(const Services& services, const PlanOptions& options) {
  if (!options.emit.empty())
    if (const auto emitter = emitter_named(options.emit); !emitter) return tl::unexpected(emitter.error());
  for (const auto* path : {&options.serving.models_dir, &options.serving.engine})
    if (path->find_first_of("\n\r") != std::string::npos)
      return fail(ErrorCode::usage, "a path with a line break cannot be written into configuration files",
                  "Rename the folder.");
  return check_cpu(services, options.cpu);
}

Result<PreparedPlan> prepare_plan(const Services& services, const Host& host, const PlanOptions& options,
                                  const std::vector<RoleDefinition>& roles,
                                  std::shared_ptr<PlanSizer> sizer) {
  const auto rules = catalog::load_tiers(services.catalog);
  if (!rules) return tl::unexpected(rules.error());
  PlanReport report;
  if (auto set = set_budget(services, host, options, report); !set) return tl::unexpected(set.error());
  report.tier = tier_of(report.budget.total, *rules);
  auto gpus = add_gpu_pools(services, host, options, report);
  if (!gpus) return tl::unexpected(gpus.error());
  PreparedPlan plan{std::move(report), std::move(*gpus), std::move(sizer)};
  if (!plan.sizer)
    plan.sizer = std::make_shared<PlanSizer>(services, plan.report.residency, !options.load_mode);
  if (auto added = add_roles(services, host, options, roles, plan.gpus, *plan.sizer, plan.report); !added)
    return tl::unexpected(added.error());
  return plan;
}

Result<PlanReport> finish_plan(const Services& services, const Host& host, const PlanOptions& options,
                               PlanSizer& sizer, PlanReport report) {
  const auto factors = catalog::load_guide_factors(services.catalog);
  if (!factors) return tl::unexpected(factors.error());
  if (auto solved = solve_report(host, options, report); !solved) return tl::unexpected(solved.error());
  if (auto described = describe_instances(host, options, sizer, report); !described)
    return tl::unexpected(described.error());
  mark_mocks(*factors, report);
  add_notes(options, report);
  check_files(services, options, report);
  if (auto explained = explain_plan(services, *factors, report); !explained)
    return tl::unexpected(explained.error());
  report.deployment = deployment_of(report, options.serving);
  report.deployment.document = render::plan_json(report);
  return report;
}

Result<Outcome> run_plan(const Services& services, const Host& host, const PlanOptions& options) {
  if (auto checked = check_plan_options(services, options); !checked) return tl::unexpected(checked.error());
  const auto roles = roles_of(services, options);
  if (!roles) return tl::unexpected(roles.error());
  auto prepared = prepare_plan(services, host, options, *roles);
  if (!prepared) return tl::unexpected(prepared.error());
  const auto report = finish_plan(services, host, options, *prepared->sizer, std::move(prepared->report));
  if (!report) return tl::unexpected(report.error());
  const int status = exit_status_of(*report);
  if (options.emit.empty() && options.out.empty())
    return Outcome{options.json ? report->deployment.document : render::plan_text(*report), status};
  FleetDeployment single;
  single.title = report->deployment.title;
  single.classes.push_back({"", "", {}, report->deployment});
  return emitted(services, options, single, status);
}

}  // namespace llmsize::app
