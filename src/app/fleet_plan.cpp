#include "llmsize/app/fleet_plan.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#include <fmt/format.h>

#include "llmsize/app/class_planner.hpp"
#include "llmsize/app/fleet_hosts.hpp"
#include "llmsize/app/plan_inputs.hpp"
#include "llmsize/core/text.hpp"

namespace llmsize::app {
namespace {

/// A plan takes a tenth of a second, so that more kinds than this are a mistake in the probes.
constexpr std::size_t most_classes = 256;

Result<void> check_fleet_options(const PlanOptions& options, const FleetOptions& fleet,
                                 const std::vector<RoleDefinition>& roles) {
  if (options.ram || options.gpus.named() || options.numa_nodes)
    return fail(ErrorCode::usage, "--hosts brings its own machines", "Drop --ram, --gpu, --vram and --numa.");
  const auto is_role = [&](const std::string& name) {
    return std::any_of(roles.begin(), roles.end(),
                       [&](const RoleDefinition& role) { return role.id == name && !role.cloud; });
  };
  for (const auto& [role, count] : fleet.replicas_of)
    if (!is_role(role))
      return fail(ErrorCode::usage,
                  fmt::format("--replicas {}={}: \"{}\" is no local role of this plan", role, count, role),
                  "llmsize plan lists the roles.");
  for (const auto& [role, rate] : fleet.demand_of) {
    if (!is_role(role))
      return fail(ErrorCode::usage,
                  fmt::format("--demand {}={}: \"{}\" is no local role of this plan", role, rate, role),
                  "llmsize plan lists the roles.");
    if (fleet.replicas_of.count(role) != 0)
      return fail(ErrorCode::usage, fmt::format("{} has both --replicas and --demand", role),
                  "A demand decides the number of replicas.");
  }
  return {};
}

/// "a" … "z", "aa" …
std::string letters(std::size_t number) {
  constexpr std::size_t alphabet = 26;
  std::string text;
  for (++number; number > 0; number = (number - 1) / alphabet)
    text.insert(text.begin(), static_cast<char>('a' + (number - 1) % alphabet));
  return text;
}

class FleetPlanner {
 public:
  FleetPlanner(const Services& services, const PlanOptions& options, const FleetOptions& fleet,
               std::vector<RoleDefinition> roles, FleetReport& report)
      : services_(services), options_(options), fleet_(fleet), roles_(std::move(roles)), report_(report) {}

  Result<void> run() {
    std::map<std::optional<std::vector<std::string>>, std::shared_ptr<PlanSizer>> sizers;
    for (const auto& machines : report_.classes) {
      auto& sizer = sizers[machines.smallest.cpu.isa.value];
      auto planner = ClassPlanner::make(services_, options_, roles_, machines, sizer);
      if (!planner)
        return fail(planner.error().code, fmt::format("class {}: {}", machines.id, planner.error().message),
                    planner.error().hint);
      sizer = planner->sizer();
      planners_.push_back(std::move(*planner));
    }
    for (const auto& definition : roles_) {
      FleetRole role;
      role.id = definition.id;
      role.priority = definition.priority;
      role.cloud = definition.cloud;
      report_.roles.push_back(std::move(role));
    }
    // A pin makes a role required, which the prepared plans know.
    for (std::size_t role = 0; role < roles_.size(); ++role)
      report_.roles[role].required = planners_.front().request().roles[role].required;
    auto done = fleet_.counts_replicas() ? plan_replicas() : plan_each();
    if (!done) return done;
    count_replicas();
    add_losses();
    give_reasons();
    return {};
  }

 private:
  /// Every host runs its class's own plan.
  Result<void> plan_each() {
    report_.method = "own";
    for (std::size_t i = 0; i < report_.classes.size(); ++i)
      if (auto added = add_group(i, std::nullopt, report_.classes[i].members, report_.classes[i].id); !added)
        return added;
    return {};
  }

  Result<void> plan_replicas() {
    const bool any_gpus = std::any_of(planners_.begin(), planners_.end(),
                                      [](const ClassPlanner& planner) { return planner.has_gpus(); });
    for (auto& planner : planners_) {
      if (any_gpus && !planner.has_gpus()) planner.weigh_speed();
      auto choices = planner.choices();
      if (!choices) return tl::unexpected(choices.error());
      request_.classes.push_back(std::move(*choices));
    }
    if (auto set = set_wanted(); !set) return set;
    for (;;) {
      assignment_ = assign_roles(request_);
      const auto grown = grow_to_demand();
      if (!grown) return tl::unexpected(grown.error());
      if (!*grown) break;
    }
    report_.method = assignment_.exact ? "exact" : "greedy";
    report_.value = static_cast<double>(assignment_.value) / worth_units;
    report_.bound = static_cast<double>(assignment_.bound) / worth_units;
    for (std::size_t i = 0; i < report_.classes.size(); ++i) {
      const auto& members = report_.classes[i].members;
      auto next = members.begin();
      std::size_t number = 0;
      const bool divided = assignment_.hosts[i].size() > 1;
      for (const auto& [roles, count] : assignment_.hosts[i]) {
        std::vector<std::size_t> hosts(next, next + count);
        next += count;
        std::string id = report_.classes[i].id;
        if (divided) id += "-" + letters(number++);
        if (auto added = add_group(i, roles, std::move(hosts), std::move(id)); !added) return added;
      }
    }
    return {};
  }

  Result<void> add_group(std::size_t of_class, std::optional<FleetRoles> roles,
                         std::vector<std::size_t> hosts, std::string id) {
    auto plan = planners_[of_class].plan(roles);
    if (!plan) return tl::unexpected(plan.error());
    FleetGroup group;
    group.id = std::move(id);
    group.machine_class = of_class;
    for (const auto& placed : plan->plan.roles)
      if (placed.instance) group.roles.push_back(placed.role);
    group.hosts = std::move(hosts);
    group.plan = std::move(*plan);
    for (const auto& note : group.plan.notes)
      if (std::find(report_.notes.begin(), report_.notes.end(), note) == report_.notes.end())
        report_.notes.push_back(note);
    for (const std::size_t host : group.hosts) report_.hosts[host].group = report_.groups.size();
    report_.groups.push_back(std::move(group));
    return {};
  }

  /// Replicas by role before any demand is looked at: a role that nobody counts wants one, and a draft model
  /// as many as the role that it drafts for.
  Result<void> set_wanted() {
    for (std::size_t role = 0; role < roles_.size(); ++role) {
      FleetRole& row = report_.roles[role];
      const auto own = fleet_.replicas_of.find(row.id);
      const auto demand = fleet_.demand_of.find(row.id);
      row.asked = own != fleet_.replicas_of.end() || demand != fleet_.demand_of.end() || fleet_.replicas;
      row.wanted = own != fleet_.replicas_of.end() ? own->second : fleet_.replicas.value_or(1);
      if (row.cloud) row.wanted = 0;
      if (demand == fleet_.demand_of.end()) continue;
      row.demand = demand->second;
      const auto fastest = fastest_speed(role);
      if (!fastest) return tl::unexpected(fastest.error());
      // Where nobody can serve it, one replica is missed instead of endlessly many.
      row.wanted = *fastest > 0 ? replicas_for(*row.demand, *fastest) : 1;
    }
    for (std::size_t role = 0; role < roles_.size(); ++role)
      for (const auto& target : report_.roles)
        if (target.id == roles_[role].draft_for && !report_.roles[role].asked)
          report_.roles[role].wanted = target.wanted;
    for (const auto& role : report_.roles) request_.replicas.push_back(*role.wanted);
    return {};
  }

  [[nodiscard]] std::int64_t replicas_for(double demand, double speed) const {
    const double needed = std::ceil(demand / speed);
    // More than there are hosts will not be had anyway.
    const auto most = static_cast<double>(report_.hosts.size()) + 1;
    return static_cast<std::int64_t>(std::clamp(needed, 1.0, most));
  }

  Result<double> speed_of(std::size_t of_class, FleetRoles roles, std::size_t role) {
    const auto speed = planners_[of_class].speed(roles, role);
    if (speed) return *speed;
    return fail(
        ErrorCode::usage,
        fmt::format("--demand {}: how fast class {} decodes is unknown, because its memory's bandwidth is",
                    report_.roles[role].id, report_.classes[of_class].id),
        "State it with --bandwidth, name the processor with --cpu, or measure the hosts with llmsize probe "
        "--bench memory.");
  }

  /// 0 where no host can serve the role.
  Result<double> fastest_speed(std::size_t role) {
    double fastest = 0;
    for (std::size_t i = 0; i < request_.classes.size(); ++i)
      for (const auto& pattern : request_.classes[i].patterns) {
        if ((pattern.roles & role_bit(role)) == 0) continue;
        const auto speed = speed_of(i, pattern.roles, role);
        if (!speed) return speed;
        fastest = std::max(fastest, *speed);
      }
    return fastest;
  }

  /// Adds up what each demanded role gets, and asks for more replicas where that is too little and there may
  /// be more; whether it did.
  Result<bool> grow_to_demand() {
    bool grown = false;
    for (std::size_t role = 0; role < roles_.size(); ++role) {
      FleetRole& row = report_.roles[role];
      if (!row.demand) continue;
      row.delivered = 0;
      for (std::size_t i = 0; i < assignment_.hosts.size(); ++i)
        for (const auto& [roles, count] : assignment_.hosts[i]) {
          if ((roles & role_bit(role)) == 0) continue;
          const auto speed = speed_of(i, roles, role);
          if (!speed) return tl::unexpected(speed.error());
          *row.delivered += static_cast<double>(count) * *speed;
        }
      if (*row.delivered >= *row.demand || assignment_.served[role] < *row.wanted) continue;
      const auto fastest = fastest_speed(role);
      if (!fastest) return tl::unexpected(fastest.error());
      *row.wanted += replicas_for(*row.demand - *row.delivered, *fastest);
      request_.replicas[role] = *row.wanted;
      grown = true;
    }
    return grown;
  }

  void count_replicas() {
    for (const auto& group : report_.groups)
      for (auto& role : report_.roles)
        if (std::find(group.roles.begin(), group.roles.end(), role.id) != group.roles.end())
          role.served += static_cast<std::int64_t>(group.hosts.size());
  }

  [[nodiscard]] FleetRoles roles_in(const FleetGroup& group) const {
    FleetRoles roles = 0;
    for (std::size_t role = 0; role < report_.roles.size(); ++role)
      if (std::find(group.roles.begin(), group.roles.end(), report_.roles[role].id) != group.roles.end())
        roles |= role_bit(role);
    return roles;
  }

  void add_losses() {
    for (std::size_t i = 0; i < report_.classes.size(); ++i) {
      HostLoss loss;
      loss.machine_class = report_.classes[i].id;
      FleetRoles served = 0, lost = 0;
      for (const auto& group : report_.groups)
        if (group.machine_class == i) served |= roles_in(group);
      const Aftermath after = without_a_host_of(i);
      for (std::size_t role = 0; role < report_.roles.size(); ++role) {
        const FleetRole& row = report_.roles[role];
        if ((served & role_bit(role)) != 0) loss.fewer.push_back(row.id);
        if ((served & role_bit(role)) != 0 && row.served == 1) loss.vanished.push_back(row.id);
        // Without a number of replicas to keep, a role is lost when nobody serves it.
        const std::int64_t least = row.wanted ? row.served : std::min<std::int64_t>(row.served, 1);
        if (after.served[role] >= least) continue;
        loss.lost.push_back(row.id);
        lost |= role_bit(role);
      }
      if (lost != 0) add_remedies(after, lost, loss);
      report_.losses.push_back(std::move(loss));
    }
  }

  /// What is left with one host of a class fewer.
  struct Aftermath {
    std::vector<std::int64_t> served;                       ///< By role.
    std::vector<std::map<FleetRoles, std::int64_t>> hosts;  ///< Of each class, how many serve which set.
  };

  /// Planned anew where replicas are counted.
  [[nodiscard]] Aftermath without_a_host_of(std::size_t of_class) const {
    Aftermath after;
    for (const auto& role : report_.roles) after.served.push_back(role.served);
    after.hosts.resize(report_.classes.size());
    if (report_.method == "own") {
      for (const auto& group : report_.groups) {
        const bool shrinks = group.machine_class == of_class;
        after.hosts[group.machine_class][roles_in(group)] =
            static_cast<std::int64_t>(group.hosts.size()) - (shrinks ? 1 : 0);
        for (std::size_t role = 0; role < after.served.size(); ++role)
          if (shrinks && (roles_in(group) & role_bit(role)) != 0) --after.served[role];
      }
      return after;
    }
    std::int64_t used = 0;
    for (const auto& [roles, count] : assignment_.hosts[of_class]) used += count;
    // A free host of the same class takes over.
    if (used < request_.classes[of_class].hosts) return after;
    FleetRequest fewer = request_;
    --fewer.classes[of_class].hosts;
    FleetAssignment again = assign_roles(fewer);
    return {std::move(again.served), std::move(again.hosts)};
  }

  /// What would keep the roles that are lost: the host again, or memory on another one for all of them.
  void add_remedies(const Aftermath& after, FleetRoles lost, HostLoss& loss) const {
    loss.remedies.push_back(fmt::format("one more host like those of {}", loss.machine_class));
    std::optional<Bytes> least;
    std::size_t where = 0;
    for (std::size_t i = 0; i < after.hosts.size(); ++i)
      for (const auto& [roles, count] : after.hosts[i]) {
        if (count == 0 || (roles & lost) != 0) continue;
        const auto lacking = planners_[i].lacking(roles | lost);
        if (!lacking || *lacking == Bytes(0) || (least && *least <= *lacking)) continue;
        least = lacking;
        where = i;
      }
    if (least)
      loss.remedies.push_back(
          fmt::format("{} more for models on a host of {}", size_text(*least), report_.classes[where].id));
  }

  void give_reasons() {
    for (std::size_t role = 0; role < report_.roles.size(); ++role) {
      FleetRole& row = report_.roles[role];
      const std::int64_t wanted = row.wanted.value_or(1);
      if (row.cloud) row.reason = "served by an API";
      if (row.cloud || row.served >= wanted) continue;
      if (report_.method == "own") {
        row.reason = report_.groups.front().plan.plan.roles[role].reason;
        continue;
      }
      std::int64_t able = 0;
      for (const auto& of_class : request_.classes)
        if (std::any_of(of_class.patterns.begin(), of_class.patterns.end(),
                        [&](const FleetPattern& pattern) { return (pattern.roles & role_bit(role)) != 0; }))
          able += of_class.hosts;
      const std::string& why = planners_.front().request().roles[role].unavailable_because;
      if (able == 0)
        row.reason = !why.empty() ? why : std::string("no host has the memory for it");
      else if (able < wanted)
        row.reason = fmt::format("only {} hosts can serve it, and a host serves it once", able);
      else
        row.reason = "the roles before it take the hosts that could serve it";
    }
  }

  const Services& services_;
  const PlanOptions& options_;
  const FleetOptions& fleet_;
  std::vector<RoleDefinition> roles_;
  FleetReport& report_;
  std::vector<ClassPlanner> planners_;
  FleetRequest request_;
  FleetAssignment assignment_;
};

}  // namespace

Result<FleetReport> plan_fleet(const Services& services, const PlanOptions& options,
                               const FleetOptions& fleet) {
  auto roles = roles_of(services, options);
  if (!roles) return tl::unexpected(roles.error());
  if (auto checked = check_fleet_options(options, fleet, *roles); !checked)
    return tl::unexpected(checked.error());
  auto hosts = read_fleet_hosts(services, fleet.folder, fleet.skip_bad);
  if (!hosts) return tl::unexpected(hosts.error());
  FleetReport report;
  report.folder = fleet.folder;
  report.left_out = std::move(hosts->left_out);
  report.classes = machine_classes(hosts->hosts);
  if (report.classes.size() > most_classes)
    return fail(ErrorCode::usage,
                fmt::format("{}: the hosts are of {} kinds, and at most {} can be planned for at once",
                            fleet.folder, report.classes.size(), most_classes),
                "Split the folder into several fleets.");
  for (const auto& host : hosts->hosts)
    report.hosts.push_back({host.name, host.identity.machine_id.value_or(""), 0, std::nullopt});
  for (std::size_t i = 0; i < report.classes.size(); ++i)
    for (const std::size_t member : report.classes[i].members) report.hosts[member].machine_class = i;
  if (auto done = FleetPlanner(services, options, fleet, std::move(*roles), report).run(); !done)
    return tl::unexpected(done.error());
  return report;
}

}  // namespace llmsize::app
