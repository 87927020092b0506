#include <algorithm>

#include <fmt/format.h>

#include "llmsize/core/text.hpp"
#include "llmsize/render/plan.hpp"

namespace llmsize::render {
namespace {

std::string headline(const PlanReport& report) {
  std::size_t local = 0, served = 0;
  for (const auto& role : report.plan.roles) {
    if (role.status == RoleStatus::cloud) continue;
    ++local;
    if (role.instance) ++served;
  }
  std::string line = local == 0 ? "No role needs local memory: APIs serve them all"
                                : fmt::format("{} of {} roles run on {}", served, local, report.host);
  if (!report.plan.pools.empty()) {
    const PoolUse& use = report.plan.pools.front();
    line += fmt::format(", with {} of {} used, bound by {}", size_text(use.hot + use.warm_peak),
                        size_text(std::max(Bytes(0), report.budget.available)), report.bound_by);
  }
  return line + ". Next: " + report.next_step + ".\n";
}

std::string budget_lines(const PlanReport& report) {
  const MemoryBudget& b = report.budget;
  std::string out = "\nBudget\n";
  out += fmt::format("  {:<14} {:>12}  {}\n", "total", size_text(b.total), report.total_source);
  out += fmt::format("  {:<14} {:>12}  {}\n", "system", size_text(Bytes(0) - b.os_reserve),
                     report.os_reserve_source);
  out += fmt::format("  {:<14} {:>12}  {}\n", "safety", size_text(Bytes(0) - b.safety), report.safety_source);
  out += fmt::format("  {:<14} {:>12}  the guide would split it {} HOT, {} WARM: a default, not a law\n",
                     "for models", size_text(b.available), size_text(b.hot), size_text(b.warm));
  if (report.tier) {
    out += fmt::format("  {:<14} {:>12}  {}\n", "tier", report.tier->rule.name, report.tier->rule.advice);
    if (!report.tier->note.empty()) out += fmt::format("  {:<14} {:>12}  {}\n", "", "", report.tier->note);
  }
  return out;
}

std::string role_line(const PlanReport& report, const RolePlacement& role) {
  if (!role.instance)
    return fmt::format("  {:<18} {:<8} {}\n", role.role, role_status_name(role.status), role.reason);
  const PlanInstance& instance = report.plan.instances[*role.instance];
  const PlanVariant& variant = report.request.variants[instance.variant];
  const std::string memory = role.status == RoleStatus::shared ? "shared" : size_text(instance.memory);
  const bool lone = report.plan.groups.size() == 1;
  return fmt::format("  {:<18} {:<8} {:<34} {:<7} {:>12}  {}{} tokens, {} slots{}\n", role.role,
                     plan_tier_name(role.tier), variant.model, variant.quant, memory,
                     lone ? std::string() : report.plan.groups[instance.group].id + ", ",
                     grouped(variant.context_tokens), variant.parallel,
                     role.status == RoleStatus::shared ? "; " + role.reason : "");
}

std::string sum_lines(const PlanReport& report) {
  std::string out;
  for (std::size_t i = 0; i < report.plan.pools.size(); ++i) {
    const PoolUse& use = report.plan.pools[i];
    out += fmt::format("  {}: HOT {} + largest WARM {} = {}, leaving {}", report.plan.groups[i].id,
                       size_text(use.hot), size_text(use.warm_peak), size_text(use.hot + use.warm_peak),
                       size_text(use.headroom));
    if (use.shared > Bytes(0))
      out += fmt::format("; {} mapped by several is counted once", size_text(use.shared));
    out += "\n";
  }
  return out;
}

std::string why_lines(const PlanReport& report) {
  std::string out;
  for (std::size_t i = 0; i < report.runner_ups.size(); ++i) {
    if (!report.plan.roles[i].instance) continue;
    out += fmt::format("  {:<18} quality {:.3f}; ", report.plan.roles[i].role, report.plan.roles[i].quality);
    if (const auto& next = report.runner_ups[i]) {
      const PlanVariant& variant = report.request.variants[next->variant];
      out += fmt::format("{} {} ({:.3f}) lacked {}\n", variant.model, variant.quant, next->quality,
                         size_text(next->lacked));
    } else {
      // Where speed counts, a better model may be there and be too slow.
      out += report.plan.groups.size() == 1 ? "nothing better among its candidates\n"
                                            : "nothing better at its speed\n";
    }
  }
  const auto dropped = dropped_roles(report.plan);
  if (!dropped.empty())
    out += fmt::format("  given up, least important first: {}\n", fmt::join(dropped, ", "));
  return out.empty() ? "" : "\nWhy\n" + out;
}

std::string speed_lines(const PlanReport& report) {
  std::string out;
  for (const auto& instance : report.plan.instances) {
    const PlanVariant& variant = report.request.variants[instance.variant];
    if (!variant.decode_tokens_per_second && !variant.load_seconds) continue;
    out += fmt::format("  {:<18}", instance.id);
    if (variant.decode_tokens_per_second)
      out += fmt::format(" {:>6.1f} tokens/s", *variant.decode_tokens_per_second);
    if (variant.load_seconds) out += fmt::format(" {:>6.0f} s to load", *variant.load_seconds);
    out += "\n";
  }
  return out.empty() ? "" : "\nSpeed\n" + out;
}

std::string list_lines(const char* title, const std::vector<std::string>& lines, const char* mark) {
  std::string out;
  for (const auto& line : lines) out += std::string("  ") + mark + line + "\n";
  return out.empty() ? "" : std::string("\n") + title + "\n" + out;
}

std::string ladder_lines(const PlanReport& report) {
  if (report.plan.ladder.empty()) return "";
  std::string out = "\nIf the budget shrinks\n";
  constexpr double percent = 100;
  for (const auto& step : report.plan.ladder) {
    out += fmt::format("  at {:.0f} % ({}): ", step.share * percent, size_text(step.budget));
    if (step.dropped.empty() && step.changed.empty()) {
      out += "nothing gets worse\n";
      continue;
    }
    if (!step.dropped.empty()) out += fmt::format("drops {}", fmt::join(step.dropped, ", "));
    if (!step.dropped.empty() && !step.changed.empty()) out += "; ";
    out += fmt::format("{}\n", fmt::join(step.changed, "; "));
  }
  return out;
}

}  // namespace

std::string plan_text(const PlanReport& report) {
  std::string page = headline(report) + budget_lines(report) + "\nRoles\n";
  for (const auto& role : report.plan.roles) page += role_line(report, role);
  page += sum_lines(report);
  page += fmt::format("  objective {:.4f}, proven bound {:.4f}, gap {:.4f}\n", report.plan.objective.value,
                      report.plan.objective.bound, report.plan.objective.gap());
  page += why_lines(report);
  page += speed_lines(report);
  page += ladder_lines(report);
  page += list_lines("With the memory left over", report.spare_uses, "- ");
  page += list_lines("The guide's recommendation for this size", report.guide_advice, "");
  page += list_lines("Notes", report.notes, "- ");
  return page;
}

}  // namespace llmsize::render
