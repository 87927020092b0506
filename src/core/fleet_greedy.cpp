#include <algorithm>
#include <functional>

#include "fleet_search.hpp"

namespace llmsize::fleet_search {
namespace {

/// Another set of roles for one host of a class.
struct Change {
  std::size_t of_class = 0;
  FleetRoles before = 0, after = 0;
};

class Placing {
 public:
  explicit Placing(const FleetRequest& request) : request_(request), hosts_(request.classes.size()) {
    for (std::size_t i = 0; i < hosts_.size(); ++i) hosts_[i][0] = request.classes[i].hosts;
    served_.assign(request.replicas.size(), 0);
  }

  void place(std::size_t role) {
    for (std::int64_t replica = 0; replica < request_.replicas[role]; ++replica) {
      auto changes = addition(role);
      if (changes.empty()) changes = exchange(role);
      if (changes.empty()) return;
      for (const Change& change : changes) apply(change);
      ++served_[role];
    }
  }

  [[nodiscard]] FleetAssignment assignment() {
    FleetAssignment made;
    made.served = served_;
    made.hosts = hosts_;
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
      made.hosts[i].erase(0);
      std::erase_if(made.hosts[i], [](const auto& entry) { return entry.second == 0; });
      for (const auto& [roles, count] : made.hosts[i]) made.value += count * value_of(i, roles);
    }
    made.bound = bound();
    return made;
  }

 private:
  [[nodiscard]] std::int64_t value_of(std::size_t of_class, FleetRoles roles) const {
    const FleetPattern* pattern = request_.classes[of_class].pattern(roles);
    return pattern == nullptr ? 0 : pattern->value;
  }
  [[nodiscard]] bool can_serve(std::size_t of_class, FleetRoles roles) const {
    return roles == 0 || request_.classes[of_class].pattern(roles) != nullptr;
  }
  [[nodiscard]] std::int64_t gain(const Change& change) const {
    return value_of(change.of_class, change.after) - value_of(change.of_class, change.before);
  }
  [[nodiscard]] std::int64_t warm_of(std::size_t of_class, FleetRoles roles) const {
    const FleetPattern* pattern = request_.classes[of_class].pattern(roles);
    return pattern == nullptr ? 0 : pattern->warm;
  }
  [[nodiscard]] std::int64_t more_warm(const Change& change) const {
    return warm_of(change.of_class, change.after) - warm_of(change.of_class, change.before);
  }
  [[nodiscard]] std::int64_t used(std::size_t of_class) const {
    return request_.classes[of_class].hosts - hosts_[of_class].at(0);
  }

  void apply(const Change& change) {
    --hosts_[change.of_class][change.before];
    ++hosts_[change.of_class][change.after];
  }

  /// Every change that would add `role` to a host.
  void each_addition(std::size_t role, const std::function<void(const Change&)>& use) const {
    for (std::size_t i = 0; i < hosts_.size(); ++i)
      for (const auto& [roles, count] : hosts_[i])
        if (count > 0 && (roles & role_bit(role)) == 0 && can_serve(i, roles | role_bit(role)))
          use({i, roles, roles | role_bit(role)});
  }

  /// The most is gained first; of equals where fewer take turns, then a host in use, then a class with fewer
  /// hosts in use.
  [[nodiscard]] bool is_better(const Change& a, const Change& b) const {
    if (gain(a) != gain(b)) return gain(a) > gain(b);
    if (more_warm(a) != more_warm(b)) return more_warm(a) < more_warm(b);
    if ((a.before == 0) != (b.before == 0)) return a.before != 0;
    return used(a.of_class) < used(b.of_class);
  }

  [[nodiscard]] std::vector<Change> addition(std::size_t role) const {
    std::vector<Change> best;
    each_addition(role, [&](const Change& change) {
      if (best.empty() || is_better(change, best.front())) best = {change};
    });
    return best;
  }

  /// Another role leaves a host for `role` and goes where it fits, so that it keeps its replicas.
  [[nodiscard]] std::vector<Change> exchange(std::size_t role) const {
    std::vector<Change> best;
    for (std::size_t i = 0; i < hosts_.size(); ++i)
      for (const auto& [roles, count] : hosts_[i])
        for (std::size_t other = 0; count > 0 && other < served_.size(); ++other) {
          const Change there = {i, roles, (roles & ~role_bit(other)) | role_bit(role)};
          if ((roles & role_bit(other)) == 0 || (roles & role_bit(role)) != 0 || !can_serve(i, there.after))
            continue;
          each_addition(other, [&](const Change& away) {
            if (best.empty() || gain(there) + gain(away) > gain(best[0]) + gain(best[1]))
              best = {there, away};
          });
        }
    return best;
  }

  /// Each replica at what its role is worth at most on the hosts where that is highest.
  [[nodiscard]] std::int64_t bound() const {
    std::int64_t sum = 0;
    for (std::size_t role = 0; role < served_.size(); ++role) {
      std::vector<std::pair<std::int64_t, std::int64_t>> worth;
      for (const auto& of_class : request_.classes) {
        std::int64_t most = 0;
        for (const auto& pattern : of_class.patterns) most = std::max(most, pattern.by_role[role]);
        worth.emplace_back(most, of_class.hosts);
      }
      std::sort(worth.rbegin(), worth.rend());
      std::int64_t left = served_[role];
      for (const auto& [most, hosts] : worth) {
        sum += most * std::min(left, hosts);
        left -= std::min(left, hosts);
      }
    }
    return sum;
  }

  const FleetRequest& request_;
  std::vector<std::map<FleetRoles, std::int64_t>> hosts_;  ///< Of each class, how many serve which set.
  std::vector<std::int64_t> served_;
};

}  // namespace

FleetAssignment greedy(const FleetRequest& request) {
  Placing placing(request);
  for (std::size_t role = 0; role < request.replicas.size(); ++role) placing.place(role);
  return placing.assignment();
}

}  // namespace llmsize::fleet_search
