#include "llmsize/core/plan_search.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <map>

namespace llmsize::plan_search {
namespace {

constexpr std::int64_t nothing = -1;

RoleSet bit(std::size_t role) {
  return RoleSet(1) << role;
}

/// One way to serve a set of roles by HOT instances: its cost, its worth, and the step that led here.
struct Entry {
  std::int64_t memory = 0;
  std::int64_t value = 0;
  std::int64_t parent = nothing;  ///< Into the arena.
  std::size_t variant = 0;
  RoleSet joined = 0;  ///< Roles that this step put on `variant`.
};

using Layer = std::map<RoleSet, std::vector<std::int64_t>>;

/// Best placements within one pool, by the set of roles served.
class PoolTable {
 public:
  PoolTable(const Problem& problem, std::size_t pool, RoleSet roles, bool others_may_serve, bool least_memory)
      : problem_(problem), pool_(pool), roles_(roles), least_memory_(least_memory) {
    for (std::size_t role = 0; role < problem.roles.size(); ++role) {
      if ((roles & bit(role)) == 0) continue;
      const bool warm = problem.roles[role].may_be_warm;
      if (warm) warm_roles_ |= bit(role);
      if (warm || others_may_serve) may_skip_ |= bit(role);
    }
    collect_hot();
    collect_warm_peaks();
  }

  struct Best {
    std::int64_t value = nothing;
    std::int64_t memory = 0;
    std::int64_t hot_entry = nothing;
    RoleSet warm = 0;
    std::int64_t peak = 0;
    [[nodiscard]] bool feasible() const { return value != nothing; }
    [[nodiscard]] bool beats(const Best& other) const {
      return value != other.value ? value > other.value : memory < other.memory;
    }
  };

  /// The best way to serve exactly `roles` here.
  [[nodiscard]] Best best(RoleSet roles) const {
    Best found;
    const RoleSet warm_candidates = roles & warm_roles_;
    for (RoleSet warm = warm_candidates;; warm = (warm - 1) & warm_candidates) {
      consider(roles, warm, found);
      if (warm == 0) return found;
    }
  }

  void append(const Best& best, std::vector<Assignment>& assignments) const {
    for (std::int64_t at = best.hot_entry; at != nothing; at = arena_[index(at)].parent) {
      const Entry& entry = arena_[index(at)];
      for (std::size_t role = 0; role < problem_.roles.size(); ++role)
        if ((entry.joined & bit(role)) != 0) assignments.push_back({role, entry.variant, false});
    }
    for (std::size_t role = 0; role < problem_.roles.size(); ++role)
      if ((best.warm & bit(role)) != 0)
        assignments.push_back({role, warm_choice(role, best.peak)->variant, true});
  }

 private:
  static std::size_t index(std::int64_t at) { return static_cast<std::size_t>(at); }
  [[nodiscard]] std::int64_t budget() const { return problem_.budgets[pool_]; }

  /// Keeps the entries of one set that no other beats, by rising memory and value.
  void keep_front(std::vector<std::int64_t>& entries) const {
    std::stable_sort(entries.begin(), entries.end(), [&](std::int64_t a, std::int64_t b) {
      const Entry &x = arena_[index(a)], &y = arena_[index(b)];
      return x.memory != y.memory ? x.memory < y.memory : x.value > y.value;
    });
    std::vector<std::int64_t> front;
    for (const std::int64_t at : entries)
      if (front.empty() || arena_[index(at)].value > arena_[index(front.back())].value) front.push_back(at);
    if (least_memory_ && front.size() > 1) front.erase(front.begin() + 1, front.end());
    entries = std::move(front);
  }

  /// Serves roles in order: the first unserved one opens an instance, which any set of later roles may join.
  void collect_hot() {
    arena_.push_back({});
    Layer layer = {{0, {0}}};
    for (std::size_t role = 0; role < problem_.roles.size(); ++role) {
      if ((roles_ & bit(role)) == 0) continue;
      Layer next;
      for (const auto& [served, entries] : layer) {
        if ((served & bit(role)) != 0 || (may_skip_ & bit(role)) != 0) {
          auto& same = next[served];
          same.insert(same.end(), entries.begin(), entries.end());
        }
        if ((served & bit(role)) == 0) open_instances(role, served, entries, next);
      }
      for (auto& [served, entries] : next) keep_front(entries);
      layer = std::move(next);
    }
    hot_ = std::move(layer);
  }

  void open_instances(std::size_t role, RoleSet served, const std::vector<std::int64_t>& entries,
                      Layer& next) {
    for (const Option& option : problem_.roles[role].options) {
      const PlanVariant& variant = (*problem_.variants)[option.variant];
      if (variant.pool != pool_) continue;
      const RoleSet joiners = later_users(role, served, option.variant);
      for (RoleSet extra = joiners;; extra = (extra - 1) & joiners) {
        extend(variant, option, role, served, extra, entries, next);
        if (extra == 0) break;
      }
    }
  }

  [[nodiscard]] RoleSet later_users(std::size_t role, RoleSet served, std::size_t variant) const {
    RoleSet users = 0;
    for (std::size_t later = role + 1; later < problem_.roles.size(); ++later) {
      if ((roles_ & bit(later)) == 0 || (served & bit(later)) != 0) continue;
      if (find_option(later, variant) != nullptr) users |= bit(later);
    }
    return users;
  }

  [[nodiscard]] const Option* find_option(std::size_t role, std::size_t variant) const {
    for (const Option& option : problem_.roles[role].options)
      if (option.variant == variant) return &option;
    return nullptr;
  }

  void extend(const PlanVariant& variant, const Option& option, std::size_t role, RoleSet served,
              RoleSet extra, const std::vector<std::int64_t>& entries, Layer& next) {
    const auto count = static_cast<std::size_t>(std::popcount(extra)) + 1;
    if (count > variant.memory_by_roles.size()) return;
    const Bytes cost = variant.memory_by_roles[count - 1];
    std::int64_t value = option.value;
    for (std::size_t later = role + 1; later < problem_.roles.size(); ++later)
      if ((extra & bit(later)) != 0) value += find_option(later, option.variant)->value;
    for (const std::int64_t at : entries) {
      const Bytes memory = Bytes(arena_[index(at)].memory) + cost;
      if (memory.is_saturated() || memory.value() > budget()) continue;
      arena_.push_back(
          {memory.value(), arena_[index(at)].value + value, at, option.variant, extra | bit(role)});
      next[served | extra | bit(role)].push_back(static_cast<std::int64_t>(arena_.size()) - 1);
    }
  }

  [[nodiscard]] std::int64_t warm_memory(const Option& option) const {
    const PlanVariant& variant = (*problem_.variants)[option.variant];
    if (variant.pool != pool_ || variant.memory_by_roles.empty()) return nothing;
    const Bytes memory = variant.memory_by_roles.front();
    return memory.is_saturated() || memory.value() > budget() ? nothing : memory.value();
  }

  void collect_warm_peaks() {
    for (std::size_t role = 0; role < problem_.roles.size(); ++role) {
      if ((warm_roles_ & bit(role)) == 0) continue;
      for (const Option& option : problem_.roles[role].options)
        if (const std::int64_t memory = warm_memory(option); memory != nothing) peaks_.push_back(memory);
    }
    std::sort(peaks_.begin(), peaks_.end());
    peaks_.erase(std::unique(peaks_.begin(), peaks_.end()), peaks_.end());
  }

  /// For a fixed peak each WARM role chooses independently: they take turns in the same memory.
  [[nodiscard]] const Option* warm_choice(std::size_t role, std::int64_t peak) const {
    const Option* best = nullptr;
    std::int64_t best_memory = 0;
    for (const Option& option : problem_.roles[role].options) {
      const std::int64_t memory = warm_memory(option);
      if (memory == nothing || memory > peak) continue;
      const bool better = best == nullptr || option.value > best->value ||
                          (option.value == best->value && memory < best_memory);
      if (!better) continue;
      best = &option;
      best_memory = memory;
    }
    return best;
  }

  void consider(RoleSet roles, RoleSet warm, Best& found) const {
    const auto hot = hot_.find(roles & ~warm);
    if (hot == hot_.end() || hot->second.empty()) return;
    if (warm == 0) return consider_peak(hot->second, 0, 0, 0, found);
    for (const std::int64_t peak : peaks_) {
      std::int64_t value = 0;
      bool all = true;
      for (std::size_t role = 0; all && role < problem_.roles.size(); ++role) {
        if ((warm & bit(role)) == 0) continue;
        const Option* choice = warm_choice(role, peak);
        all = choice != nullptr;
        if (all) value += choice->value;
      }
      if (all) consider_peak(hot->second, warm, peak, value, found);
      if (all && least_memory_) return;
    }
  }

  void consider_peak(const std::vector<std::int64_t>& front, RoleSet warm, std::int64_t peak,
                     std::int64_t warm_value, Best& found) const {
    const std::int64_t room = budget() - peak;
    // The front rises in memory and value: the last entry that fits is the best.
    const auto end = std::partition_point(front.begin(), front.end(),
                                          [&](std::int64_t at) { return arena_[index(at)].memory <= room; });
    if (end == front.begin()) return;
    const std::int64_t at = *std::prev(end);
    const Entry& entry = arena_[index(at)];
    const Best candidate{entry.value + warm_value, entry.memory + peak, at, warm, peak};
    if (candidate.beats(found)) found = candidate;
  }

  const Problem& problem_;
  std::size_t pool_;
  RoleSet roles_;
  bool least_memory_;
  RoleSet warm_roles_ = 0;
  RoleSet may_skip_ = 0;
  std::vector<Entry> arena_;
  Layer hot_;
  std::vector<std::int64_t> peaks_;
};

/// The best division of `roles` among the pools, by subset convolution: each pool's capacity is its own.
std::optional<Solution> place(const Problem& problem, RoleSet roles, bool least_memory) {
  const bool several = problem.budgets.size() > 1;
  std::vector<PoolTable> tables;
  for (std::size_t pool = 0; pool < problem.budgets.size(); ++pool)
    tables.emplace_back(problem, pool, roles, several, least_memory);
  struct Cell {
    PoolTable::Best own;
    std::int64_t value = nothing;
    std::int64_t memory = 0;
    RoleSet here = 0;
  };
  std::vector<std::map<RoleSet, Cell>> best(tables.size());
  for (std::size_t pool = 0; pool < tables.size(); ++pool) {
    std::map<RoleSet, PoolTable::Best> own;
    for (RoleSet set = roles;; set = (set - 1) & roles) {
      // A single pool must serve them all, so that no other set matters.
      if (several || set == roles)
        if (const auto found = tables[pool].best(set); found.feasible()) own[set] = found;
      if (set == 0) break;
    }
    for (const auto& served : own) {
      const RoleSet here = served.first;
      const PoolTable::Best& mine = served.second;
      const auto offer = [&](RoleSet before, std::int64_t value, std::int64_t memory) {
        if ((before & here) != 0) return;
        Cell& cell = best[pool][before | here];
        const Cell candidate{mine, value + mine.value, memory + mine.memory, here};
        if (cell.value == nothing || candidate.value > cell.value ||
            (candidate.value == cell.value && candidate.memory < cell.memory))
          cell = candidate;
      };
      if (pool == 0) {
        offer(0, 0, 0);
        continue;
      }
      for (const auto& [before, cell] : best[pool - 1]) offer(before, cell.value, cell.memory);
    }
  }
  if (best.empty() || best.back().find(roles) == best.back().end()) return std::nullopt;
  Solution solution;
  solution.served = roles;
  solution.value = best.back().at(roles).value;
  RoleSet left = roles;
  for (std::size_t pool = tables.size(); pool-- > 0;) {
    const Cell& cell = best[pool].at(left);
    tables[pool].append(cell.own, solution.assignments);
    left &= ~cell.here;
  }
  std::sort(solution.assignments.begin(), solution.assignments.end(),
            [](const Assignment& a, const Assignment& b) { return a.role < b.role; });
  return solution;
}

/// Whether `a` can stand in for `b` wherever `b` might be used.
bool dominates(const Problem& problem, const std::vector<std::map<std::size_t, std::int64_t>>& values,
               std::size_t a, std::size_t b) {
  const PlanVariant &x = (*problem.variants)[a], &y = (*problem.variants)[b];
  if (x.pool != y.pool || x.memory_by_roles.size() < y.memory_by_roles.size()) return false;
  bool better = false;
  for (std::size_t i = 0; i < y.memory_by_roles.size(); ++i) {
    if (x.memory_by_roles[i] > y.memory_by_roles[i]) return false;
    better = better || x.memory_by_roles[i] < y.memory_by_roles[i];
  }
  for (const auto& [role, value] : values[b]) {
    const auto found = values[a].find(role);
    if (found == values[a].end() || found->second < value) return false;
    better = better || found->second > value;
  }
  // Equals: the one with the smaller id stays.
  return better || (values[a].size() == values[b].size() ? x.id < y.id : values[a].size() > values[b].size());
}

}  // namespace

void prune_dominated(Problem& problem) {
  std::vector<std::map<std::size_t, std::int64_t>> values(problem.variants->size());
  for (std::size_t role = 0; role < problem.roles.size(); ++role)
    for (const Option& option : problem.roles[role].options) values[option.variant][role] = option.value;
  std::vector<bool> beaten(values.size(), false);
  for (std::size_t b = 0; b < values.size(); ++b)
    for (std::size_t a = 0; a < values.size() && !beaten[b]; ++a)
      beaten[b] = a != b && !values[a].empty() && !values[b].empty() && !beaten[a] &&
                  dominates(problem, values, a, b);
  for (Role& role : problem.roles)
    role.options.erase(std::remove_if(role.options.begin(), role.options.end(),
                                      [&](const Option& option) { return beaten[option.variant]; }),
                       role.options.end());
}

bool can_serve(const Problem& problem, RoleSet roles) {
  return place(problem, roles, true).has_value();
}

RoleSet served_by_priority(const Problem& problem) {
  RoleSet all = 0;
  for (std::size_t role = 0; role < problem.roles.size(); ++role) all |= bit(role);
  if (can_serve(problem, all)) return all;
  RoleSet served = 0;
  for (std::size_t role = 0; role < problem.roles.size(); ++role)
    if (can_serve(problem, served | bit(role))) served |= bit(role);
  return served;
}

std::optional<Solution> best_placement(const Problem& problem, RoleSet roles) {
  return place(problem, roles, false);
}

}  // namespace llmsize::plan_search
