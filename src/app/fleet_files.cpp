#include "llmsize/app/fleet_files.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "llmsize/app/fleet_hosts.hpp"
#include "llmsize/app/plan_files.hpp"
#include "llmsize/app/saved_fleet.hpp"
#include "llmsize/core/fleet_check.hpp"
#include "llmsize/core/host_class.hpp"
#include "llmsize/render/fleet.hpp"

namespace llmsize::app {
namespace {

/// Fleet plans hold the whole plan of each group.
constexpr Bytes longest_fleet_plan = mebibytes(256);

class FleetChecker {
 public:
  FleetChecker(const Services& services, const PlanOptions& options, const SavedFleet& saved,
               std::vector<Host> hosts, FleetCheck& check)
      : services_(services), options_(options), saved_(saved), hosts_(std::move(hosts)), check_(check) {
    classes_ = machine_classes(hosts_);
    class_of_.resize(hosts_.size());
    for (std::size_t i = 0; i < classes_.size(); ++i)
      for (const std::size_t member : classes_[i].members) class_of_[member] = i;
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
      by_name_[hosts_[i].name] = i;
      if (hosts_[i].identity.machine_id.known()) by_machine_[*hosts_[i].identity.machine_id.value] = i;
    }
  }

  Result<void> run() {
    std::set<std::size_t> seen;
    for (const auto& planned : saved_.hosts) {
      CheckedHost row;
      row.name = planned.name;
      if (planned.group) row.group = saved_.groups[*planned.group].id;
      const auto probed = find(planned);
      if (probed) {
        seen.insert(*probed);
        if (auto judged = judge(planned, *probed, row); !judged) return judged;
      } else {
        row.status = HostCheck::missing;
        if (planned.group) row.lost_roles = roles_of(saved_.groups[*planned.group].plan);
      }
      check_.hosts.push_back(std::move(row));
    }
    for (std::size_t i = 0; i < hosts_.size(); ++i)
      if (seen.count(i) == 0) check_.added.push_back(hosts_[i].name);
    return {};
  }

 private:
  /// By name, or by machine where its file was renamed.
  std::optional<std::size_t> find(const SavedFleetHost& planned) {
    if (const auto named = by_name_.find(planned.name); named != by_name_.end()) {
      const std::string id = hosts_[named->second].identity.machine_id.value_or("");
      if (!id.empty() && !planned.machine_id.empty() && id != planned.machine_id)
        check_.notes.push_back(planned.name + " is another machine than the one that was planned for.");
      return named->second;
    }
    const auto same = by_machine_.find(planned.machine_id);
    if (planned.machine_id.empty() || same == by_machine_.end()) return std::nullopt;
    check_.notes.push_back(fmt::format("{} is now called {}.", planned.name, hosts_[same->second].name));
    return same->second;
  }

  static std::vector<std::string> roles_of(const SavedPlan& plan) {
    std::vector<std::string> roles;
    for (const auto& instance : plan.instances)
      roles.insert(roles.end(), instance.roles.begin(), instance.roles.end());
    return roles;
  }

  /// The group's plan on the smallest machine of a class: where it fits there, it fits every member.
  Result<const PlanCheck*> on_class(std::size_t group, std::size_t of_class) {
    const auto found = by_class_.find({group, of_class});
    if (found != by_class_.end()) return &found->second;
    auto check = checked_plan(services_, classes_[of_class].smallest, options_, saved_.groups[group].plan,
                              check_.file);
    if (!check) return tl::unexpected(check.error());
    return &by_class_.emplace(std::pair{group, of_class}, std::move(*check)).first->second;
  }

  Result<void> judge(const SavedFleetHost& planned, std::size_t probed, CheckedHost& row) {
    if (!planned.group) {
      row.status = HostCheck::free;
      return {};
    }
    const auto smallest = on_class(*planned.group, class_of_[probed]);
    if (!smallest) return tl::unexpected(smallest.error());
    if ((*smallest)->fits()) return {};
    // Members of a class differ in their budgets, not in what an instance takes.
    const auto own = checked_plan(services_, hosts_[probed], options_, saved_.groups[*planned.group].plan,
                                  check_.file, &(*smallest)->instances);
    if (!own) return tl::unexpected(own.error());
    if (own->fits()) return {};
    row.status = HostCheck::does_not_fit;
    for (const auto& instance : own->instances)
      if (!instance.fits)
        row.lost_roles.insert(row.lost_roles.end(), instance.roles.begin(), instance.roles.end());
    for (const auto& pool : own->pools) row.lacking = std::max(row.lacking, Bytes(0) - pool.headroom());
    return {};
  }

  const Services& services_;
  const PlanOptions& options_;
  const SavedFleet& saved_;
  std::vector<Host> hosts_;
  FleetCheck& check_;
  std::vector<MachineClass> classes_;
  std::vector<std::size_t> class_of_;
  std::map<std::string, std::size_t> by_name_, by_machine_;
  std::map<std::pair<std::size_t, std::size_t>, PlanCheck> by_class_;
};

}  // namespace

Result<Outcome> check_fleet_plan(const Services& services, const PlanOptions& options,
                                 const FleetOptions& fleet, const std::string& file) {
  const auto content = services.files.read_text(file, longest_fleet_plan);
  if (!content) return tl::unexpected(content.error());
  const auto saved = parse_saved_fleet(*content, file);
  if (!saved) return tl::unexpected(saved.error());
  auto hosts = read_fleet_hosts(services, fleet.folder, fleet.skip_bad);
  if (!hosts) return tl::unexpected(hosts.error());
  FleetCheck check;
  check.file = file;
  check.folder = fleet.folder;
  check.left_out = std::move(hosts->left_out);
  if (auto done = FleetChecker(services, options, *saved, std::move(hosts->hosts), check).run(); !done)
    return tl::unexpected(done.error());
  return Outcome{options.json ? render::fleet_check_json(check) : render::fleet_check_text(check),
                 check.fits() ? exit_status::done : exit_status::does_not_fit};
}

}  // namespace llmsize::app
