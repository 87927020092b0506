#include <algorithm>

#include <fmt/format.h>

#include "llmsize/core/text.hpp"
#include "llmsize/render/fleet.hpp"

namespace llmsize::render {
namespace {

std::string counted(std::size_t count, const char* thing, const char* things) {
  return fmt::format("{} {}", count, count == 1 ? thing : things);
}

std::string hosts_text(std::size_t count) {
  return counted(count, "host", "hosts");
}

std::string classes_text(const FleetReport& report) {
  std::string text = counted(report.classes.size(), "class", "classes");
  if (!report.left_out.empty())
    text += fmt::format(" ({} left out)", counted(report.left_out.size(), "file", "files"));
  return text;
}

/// "frontdoor has 2 of 3 replicas".
std::string lack_text(const FleetRole& role) {
  if (role.demand && role.delivered && role.served >= role.wanted.value_or(0))
    return fmt::format("{} decodes {:.1f} of {:.1f} tokens/s", role.id, *role.delivered, *role.demand);
  return fmt::format("{} has {} of {} replicas", role.id, role.served, role.wanted.value_or(1));
}

std::string verdict(const FleetReport& report) {
  std::vector<std::string> lacks;
  std::size_t local = 0, served = 0;
  for (const auto& role : report.roles) {
    if (role.cloud || role.wanted == 0) continue;
    ++local;
    if (role.served >= role.wanted.value_or(1)) ++served;
    if (role.lacks()) lacks.push_back(lack_text(role));
  }
  if (!lacks.empty()) return fmt::format("{}", fmt::join(lacks, "; "));
  if (report.method == "own")
    return fmt::format("each runs the plan of its class, and {} of {} roles are served", served, local);
  std::string text = fmt::format("{} of {} roles have their replicas", served, local);
  if (report.free_hosts() > 0)
    text += fmt::format(", and {} {} free", hosts_text(report.free_hosts()),
                        report.free_hosts() == 1 ? "stays" : "stay");
  return text;
}

std::string next_step(const FleetReport& report) {
  for (const auto& role : report.roles)
    if (role.lacks()) return fmt::format("{}: {}", role.id, role.reason);
  for (const auto& loss : report.losses)
    if (!loss.lost.empty())
      return fmt::format("if a host of {} dies, {} loses a replica for good; {} would keep it",
                         loss.machine_class, loss.lost.front(), loss.remedies.front());
  return report.method == "own" ? "--replicas ROLE=N counts replicas instead"
                                : "--json keeps this plan for --check";
}

std::string role_line(const FleetReport& report, const FleetRole& role) {
  std::string line = fmt::format("  {:<18} ", role.id);
  line += role.wanted && !role.cloud ? fmt::format("{:>4} of {:<4}", role.served, *role.wanted)
                                     : fmt::format("{:>4}        ", role.served);
  if (role.demand)
    line += fmt::format("  {:.1f} of {:.1f} tokens/s", role.delivered.value_or(0), *role.demand);
  std::vector<std::string> places;
  for (const auto& group : report.groups)
    if (std::find(group.roles.begin(), group.roles.end(), role.id) != group.roles.end())
      places.push_back(fmt::format("{} x {}", group.hosts.size(), group.id));
  constexpr std::size_t most_places = 4;
  if (places.size() > most_places) {
    const std::size_t more = places.size() - most_places;
    places.resize(most_places);
    places.push_back(fmt::format("and in {}", counted(more, "more group", "more groups")));
  }
  if (!places.empty()) line += fmt::format("  {}", fmt::join(places, ", "));
  if (!role.reason.empty()) line += "  " + role.reason;
  return line + "\n";
}

std::string instance_line(const PlanReport& plan, const PlanInstance& instance) {
  const PlanVariant& variant = plan.request.variants[instance.variant];
  return fmt::format("      {:<5} {} {}, {} in {}: {}\n", plan_tier_name(instance.tier), variant.model,
                     variant.quant, size_text(instance.memory), plan.plan.groups[instance.group].id,
                     fmt::join(instance.roles, ", "));
}

std::string class_lines(const FleetReport& report, std::size_t index) {
  const MachineClass& machines = report.classes[index];
  std::string out = fmt::format("  {}: {}, {} total", machines.id, hosts_text(machines.members.size()),
                                size_text(machines.smallest.memory.total.value_or(Bytes())));
  if (machines.smallest.cpu.model.known()) out += ", " + *machines.smallest.cpu.model.value;
  out += "\n";
  if (machines.least_memory != machines.most_memory)
    out += fmt::format("    planned for {} of {}, the least that any has to use; the most is {}\n",
                       size_text(machines.least_memory), report.hosts[machines.tightest].name,
                       size_text(machines.most_memory));
  for (const auto& group : report.groups) {
    if (group.machine_class != index) continue;
    out += fmt::format("    {}, {}\n", hosts_text(group.hosts.size()), group.id);
    for (const auto& instance : group.plan.plan.instances) out += instance_line(group.plan, instance);
    if (!group.plan.plan.pools.empty())
      out += fmt::format("      leaving {} in {}\n", size_text(group.plan.plan.pools.front().headroom),
                         group.plan.plan.groups.front().id);
  }
  return out;
}

std::string loss_line(const HostLoss& loss, bool own) {
  if (loss.fewer.empty()) return fmt::format("  {}: nothing, its hosts are free\n", loss.machine_class);
  std::string line = fmt::format("  {}: ", loss.machine_class);
  if (loss.vanished.empty())
    line += fmt::format("a replica fewer of {}", fmt::join(loss.fewer, ", "));
  else
    line += fmt::format("at worst nobody serves {}", fmt::join(loss.vanished, ", "));
  if (!own)
    line += loss.lost.empty() ? " until planned anew; then all have as many as now"
                              : fmt::format("; planned anew, {} still has fewer", fmt::join(loss.lost, ", "));
  if (!loss.remedies.empty()) line += fmt::format(". What keeps it: {}", fmt::join(loss.remedies, ", or "));
  return line + "\n";
}

std::string host_lines(const FleetReport& report) {
  std::size_t names = 0, ids = 0;
  for (const auto& host : report.hosts) names = std::max(names, host.name.size());
  for (const auto& machines : report.classes) ids = std::max(ids, machines.id.size());
  for (const auto& group : report.groups) ids = std::max(ids, group.id.size());
  std::string lines;
  for (const auto& host : report.hosts) {
    const FleetGroup* group = host.group ? &report.groups[*host.group] : nullptr;
    lines += fmt::format("  {:<{}}  {:<{}}  {}\n", host.name, names,
                         group == nullptr ? report.classes[host.machine_class].id : group->id, ids,
                         group == nullptr ? "free" : fmt::format("{}", fmt::join(group->roles, ", ")));
  }
  return lines;
}

}  // namespace

std::string fleet_text(const FleetReport& report) {
  std::string page = fmt::format("{} in {}: {}. Next: {}.\n", hosts_text(report.hosts.size()),
                                 classes_text(report), verdict(report), next_step(report));
  page += "\nRoles\n";
  for (const auto& role : report.roles) page += role_line(report, role);
  page += "\nClasses\n";
  for (std::size_t i = 0; i < report.classes.size(); ++i) page += class_lines(report, i);
  page += "\nIf one host dies\n";
  for (const auto& loss : report.losses) page += loss_line(loss, report.method == "own");
  page += "\nHosts\n" + host_lines(report);
  if (report.method == "greedy")
    page += fmt::format(
        "\nRoles were given to hosts greedily: worth {:.4f}, and no assignment can exceed {:.4f}\n",
        report.value, report.bound);
  if (!report.left_out.empty()) page += "\nLeft out\n";
  for (const auto& bad : report.left_out) page += fmt::format("  {}: {}\n", bad.file, bad.reason);
  if (!report.notes.empty()) page += "\nNotes\n";
  for (const auto& note : report.notes) page += fmt::format("  - {}\n", note);
  return page;
}

}  // namespace llmsize::render
