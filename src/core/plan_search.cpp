#include "llmsize/core/plan_search.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "plan_tables.hpp"

namespace llmsize::plan_search {
namespace {

/// Groups joined so far: which outcome of which table, on top of which others.
struct Node {
  Outcome sum;
  std::int64_t before = nothing;      ///< Node of the groups joined earlier.
  std::int64_t after = nothing;       ///< Node of groups joined as a whole, or
  const GroupTable* table = nullptr;  ///< the table of a single group,
  Outcome own;                        ///< with its outcome.
};

/// Ways to serve each set of roles: indices of nodes, by rising host memory and value.
using Fronts = std::map<RoleSet, std::vector<std::int64_t>>;

/// Joins groups of memories by subset convolution: each serves its own roles, and all share the host's
/// memory.
class Joiner {
 public:
  Joiner(const Problem& problem, RoleSet roles, bool unlimited_host, bool worthless, bool every_set = false)
      : problem_(problem),
        roles_(roles),
        unlimited_(unlimited_host),
        worthless_(worthless),
        // A lone host must serve them all, so that no other set matters.
        only_all_(problem.pools.size() == 1 && !every_set) {}

  /// The best ways to serve each set of roles with every pool.
  Fronts solve_sets() {
    Fronts all = single(0, 1);
    for (std::size_t pool = 1; pool < problem_.pools.size(); ++pool) {
      Fronts devices = arrangements(pool);
      all = joined(all, devices);
    }
    return all;
  }

  /// The best ways to serve exactly `roles` with every pool.
  std::vector<std::int64_t> solve() {
    const Fronts all = solve_sets();
    const auto found = all.find(roles_);
    return found == all.end() ? std::vector<std::int64_t>{} : found->second;
  }

  [[nodiscard]] const Node& node(std::int64_t index) const { return nodes_[static_cast<std::size_t>(index)]; }

  void append(std::int64_t index, Solution& solution) const {
    if (index == nothing) return;
    const Node& here = node(index);
    append(here.before, solution);
    append(here.after, solution);
    if (here.table == nullptr) return;
    solution.groups.push_back(here.table->group());
    here.table->append(here.own, solution.groups.size() - 1, solution.assignments);
  }

 private:
  std::int64_t add(const Node& node) {
    nodes_.push_back(node);
    return static_cast<std::int64_t>(nodes_.size()) - 1;
  }

  /// What one group can serve by itself, the empty set included.
  Fronts single(std::size_t pool, std::int64_t devices) {
    Fronts fronts;
    fronts[0] = {add({})};
    tables_.push_back(std::make_unique<GroupTable>(problem_, Group{pool, devices}, roles_, unlimited_,
                                                   worthless_, only_all_));
    const GroupTable* table = tables_.back().get();
    if (!table->serves_anything()) return fronts;
    for (RoleSet set = roles_; set != 0; set = (set - 1) & roles_) {
      if (only_all_ && set != roles_) continue;
      const Front front = table->outcomes(set);
      for (const Outcome& outcome : front.outcomes())
        fronts[set].push_back(add({outcome, nothing, nothing, table, outcome}));
    }
    return fronts;
  }

  /// Sizes that identical devices are grouped in: all of them, and the powers of two below.
  static std::vector<std::int64_t> group_sizes(std::int64_t count) {
    std::vector<std::int64_t> sizes = {count};
    for (std::int64_t size = 1; size < count; size *= 2) sizes.push_back(size);
    std::sort(sizes.rbegin(), sizes.rend());
    return sizes;
  }

  /// Every way to group the identical devices of a pool; by how many are used, larger groups first.
  Fronts arrangements(std::size_t pool) {
    const std::int64_t count = problem_.pools[pool].count;
    std::map<std::int64_t, Fronts> by_used;
    by_used[0][0] = {add({})};
    for (const std::int64_t size : group_sizes(count)) {
      const Fronts one = single(pool, size);
      if (one.size() == 1) continue;
      auto next = by_used;
      Fronts several = one;
      // More groups than roles stay empty.
      const auto most =
          std::min<std::int64_t>(count / size, static_cast<std::int64_t>(problem_.roles.size()));
      for (std::int64_t groups = 1; groups <= most; ++groups) {
        if (groups > 1) several = joined_alike(several, one);
        for (const auto& [used, fronts] : by_used)
          if (used + groups * size <= count) merge(next[used + groups * size], joined(fronts, several));
      }
      by_used = std::move(next);
    }
    Fronts all;
    for (const auto& [used, fronts] : by_used) merge(all, fronts);
    return all;
  }

  Fronts joined(const Fronts& a, const Fronts& b) {
    Pending pending;
    for (const auto& [left, left_nodes] : a)
      for (const auto& [right, right_nodes] : b)
        if ((left & right) == 0) combine(left_nodes, right_nodes, pending[left | right]);
    return settled(pending);
  }

  /// The same for one more group of the same kind: groups are told apart by their lowest role only, so the
  /// new one has the lowest of all.
  Fronts joined_alike(const Fronts& several, const Fronts& one) {
    Pending pending;
    for (const auto& [left, left_nodes] : several)
      for (const auto& [right, right_nodes] : one) {
        if (left == 0 || right == 0 || (left & right) != 0) continue;
        const RoleSet lowest = (left | right) & (~(left | right) + 1);
        if ((right & lowest) != 0) combine(left_nodes, right_nodes, pending[left | right]);
      }
    Fronts result = settled(pending);
    merge(result, several);
    return result;
  }

  /// Sums of two nodes each, not yet nodes themselves: `hot` and `warm` hold the two.
  using Pending = std::map<RoleSet, Front>;

  void combine(const std::vector<std::int64_t>& left, const std::vector<std::int64_t>& right,
               Front& into) const {
    for (const std::int64_t l : left)
      for (const std::int64_t r : right) {
        const Outcome &a = node(l).sum, &b = node(r).sum;
        const Bytes host = Bytes(a.host) + Bytes(b.host), memory = Bytes(a.memory) + Bytes(b.memory);
        // Both rise in host memory, so the rest needs more.
        if (host.is_saturated() || (!unlimited_ && host.value() > problem_.pools[0].budget)) break;
        into.offer({host.value(), a.value + b.value, memory.value(), l, r});
      }
  }

  Fronts settled(const Pending& pending) {
    Fronts fronts;
    for (const auto& [set, front] : pending) {
      if (front.outcomes().empty()) continue;
      auto& nodes = fronts[set];
      for (const Outcome& outcome : front.outcomes())
        nodes.push_back(add({outcome, outcome.hot, outcome.warm, nullptr, {}}));
    }
    return fronts;
  }

  void merge(Fronts& into, const Fronts& from) {
    for (const auto& [set, nodes] : from) {
      auto& target = into[set];
      if (target.empty()) {
        target = nodes;
        continue;
      }
      Front front;
      for (const auto* indices : {&std::as_const(target), &nodes})
        for (const std::int64_t index : *indices) {
          Outcome outcome = node(index).sum;
          outcome.hot = index;
          front.offer(outcome);
        }
      target.clear();
      for (const Outcome& outcome : front.outcomes()) target.push_back(outcome.hot);
    }
  }

  const Problem& problem_;
  RoleSet roles_;
  bool unlimited_, worthless_, only_all_;
  std::vector<Node> nodes_;
  std::vector<std::unique_ptr<GroupTable>> tables_;
};

/// Values of each variant by role.
using RoleValues = std::map<std::size_t, std::int64_t>;

bool no_larger(const std::vector<Bytes>& a, const std::vector<Bytes>& b) {
  if (a.size() < b.size()) return false;
  for (std::size_t i = 0; i < b.size(); ++i)
    if (a[i] > b[i]) return false;
  return true;
}

/// Whether `a` can stand in for `b` wherever `b` might be used.
bool dominates(const PlanVariant& x, const RoleValues& values_x, const PlanVariant& y,
               const RoleValues& values_y) {
  if (x.pool != y.pool || x.devices != y.devices) return false;
  // A file that others may share is worth more than its own bytes.
  if (!y.shared_file.empty() && x.shared_file != y.shared_file) return false;
  if (!no_larger(x.memory_by_roles, y.memory_by_roles)) return false;
  if (!x.host_by_roles.empty() && !no_larger(x.host_by_roles, y.host_by_roles)) return false;
  if (x.host_by_roles.empty() && !y.host_by_roles.empty() &&
      x.memory_by_roles.size() < y.host_by_roles.size())
    return false;
  bool better = x.memory_by_roles != y.memory_by_roles || x.host_by_roles != y.host_by_roles;
  for (const auto& [role, value] : values_y) {
    const auto found = values_x.find(role);
    if (found == values_x.end() || found->second < value) return false;
    better = better || found->second > value;
  }
  // Equals: the one with the smaller id stays.
  return better || (values_x.size() == values_y.size() ? x.id < y.id : values_x.size() > values_y.size());
}

}  // namespace

void prune_dominated(Problem& problem) {
  std::vector<RoleValues> values(problem.variants->size());
  for (std::size_t role = 0; role < problem.roles.size(); ++role)
    for (const Option& option : problem.roles[role].options) values[option.variant][role] = option.value;
  std::vector<bool> beaten(values.size(), false);
  for (std::size_t b = 0; b < values.size(); ++b)
    for (std::size_t a = 0; a < values.size() && !beaten[b]; ++a)
      beaten[b] = a != b && !values[a].empty() && !values[b].empty() && !beaten[a] &&
                  dominates((*problem.variants)[a], values[a], (*problem.variants)[b], values[b]);
  for (Role& role : problem.roles)
    role.options.erase(std::remove_if(role.options.begin(), role.options.end(),
                                      [&](const Option& option) { return beaten[option.variant]; }),
                       role.options.end());
}

std::optional<std::int64_t> least_host_memory(const Problem& problem, RoleSet roles) {
  if (roles == 0) return 0;
  Joiner joiner(problem, roles, true, true);
  const auto found = joiner.solve();
  if (found.empty()) return std::nullopt;
  return joiner.node(found.front()).sum.host;
}

RoleSet served_by_priority(const Problem& problem) {
  const auto can_serve = [&](RoleSet roles) {
    const auto least = least_host_memory(problem, roles);
    return least && *least <= problem.pools.front().budget;
  };
  RoleSet all = 0;
  for (std::size_t role = 0; role < problem.roles.size(); ++role) all |= bit(role);
  if (can_serve(all)) return all;
  RoleSet served = 0;
  for (std::size_t role = 0; role < problem.roles.size(); ++role)
    if (can_serve(served | bit(role))) served |= bit(role);
  return served;
}

namespace {

Solution solution_of(const Joiner& joiner, std::int64_t node) {
  Solution solution;
  solution.value = joiner.node(node).sum.value;
  solution.memory = joiner.node(node).sum.memory;
  joiner.append(node, solution);
  std::sort(solution.assignments.begin(), solution.assignments.end(),
            [](const Assignment& a, const Assignment& b) { return a.role < b.role; });
  return solution;
}

}  // namespace

std::optional<Solution> best_placement(const Problem& problem, RoleSet roles) {
  if (roles == 0) return Solution{};
  Joiner joiner(problem, roles, false, false);
  const auto found = joiner.solve();
  if (found.empty()) return std::nullopt;
  // By rising value, so the best is the last.
  return solution_of(joiner, found.back());
}

struct PlacementFront::Search {
  Joiner joiner;
  std::vector<std::int64_t> found;
};

PlacementFront::PlacementFront(const Problem& problem, RoleSet roles)
    : roles_(roles), search_(new Search{Joiner(problem, roles, false, false), {}}) {
  search_->found = search_->joiner.solve();
}

PlacementFront::~PlacementFront() = default;

std::optional<Solution> PlacementFront::best_within(std::int64_t host) const {
  const auto& [joiner, found] = *search_;
  for (auto node = found.rbegin(); node != found.rend(); ++node)
    if (joiner.node(*node).sum.host <= host) return solution_of(joiner, *node);
  return std::nullopt;
}

std::optional<BetterPlacement> PlacementFront::next_above(std::int64_t value) const {
  const auto& [joiner, found] = *search_;
  for (const std::int64_t node : found)
    if (joiner.node(node).sum.value > value)
      return BetterPlacement{solution_of(joiner, node), joiner.node(node).sum.host};
  return std::nullopt;
}

std::map<RoleSet, Solution> best_placements(const Problem& problem) {
  RoleSet all = 0;
  for (std::size_t role = 0; role < problem.roles.size(); ++role) all |= bit(role);
  Joiner joiner(problem, all, false, false, true);
  std::map<RoleSet, Solution> best;
  for (const auto& [set, found] : joiner.solve_sets())
    if (set != 0 && !found.empty()) best[set] = solution_of(joiner, found.back());
  return best;
}

}  // namespace llmsize::plan_search
