#include "plan_tables.hpp"

#include <algorithm>
#include <bit>

namespace llmsize::plan_search {
namespace {

/// Memory of an instance for so many roles; nothing where it takes fewer or the size is absurd.
std::int64_t at_count(const std::vector<Bytes>& by_roles, std::size_t count) {
  if (count == 0 || count > by_roles.size() || by_roles[count - 1].is_saturated()) return nothing;
  return by_roles[count - 1].value();
}

/// Whether `a` is at least as good as `b` to one who has the host memory for both.
bool as_good(const Outcome& a, const Outcome& b) {
  return a.value != b.value ? a.value > b.value : a.memory <= b.memory;
}

}  // namespace

void Front::offer(const Outcome& outcome) {
  const auto above = std::partition_point(outcomes_.begin(), outcomes_.end(),
                                          [&](const Outcome& o) { return o.host <= outcome.host; });
  if (above != outcomes_.begin() && as_good(*std::prev(above), outcome)) return;
  // What needs as much or more of the host and is no better goes: a stretch around the new one's place.
  auto first = above, last = above;
  while (first != outcomes_.begin() && std::prev(first)->host == outcome.host) --first;
  while (last != outcomes_.end() && as_good(outcome, *last)) ++last;
  if (first == last) {
    outcomes_.insert(first, outcome);
    return;
  }
  *first = outcome;
  outcomes_.erase(std::next(first), last);
}

GroupTable::GroupTable(const Problem& problem, Group group, RoleSet roles, bool unlimited_host,
                       bool worthless, bool only_all)
    : problem_(problem),
      group_(group),
      roles_(roles),
      unlimited_host_(unlimited_host),
      worthless_(worthless),
      only_all_(only_all) {
  for (std::size_t role = 0; role < problem.roles.size(); ++role)
    if ((roles & bit(role)) != 0 && problem.roles[role].may_be_warm) warm_roles_ |= bit(role);
  collect_hot();
  collect_warm();
}

bool GroupTable::here(std::size_t variant) const {
  const PlanVariant& v = (*problem_.variants)[variant];
  return v.pool == group_.pool && v.devices == group_.devices;
}

bool GroupTable::fits(std::int64_t own, std::int64_t host) const {
  const bool own_fits = group_.pool == 0 || own <= problem_.pools[group_.pool].budget;
  return own_fits && (unlimited_host_ || host <= problem_.pools[0].budget);
}

/// The option with which a role joins an instance of `variant`: the same variant, or another use of its file,
/// whose pages then exist once. A role has at most one option per file.
const Option* GroupTable::matching(std::size_t role, std::size_t variant) const {
  const std::string& file = (*problem_.variants)[variant].shared_file;
  const Option* same_file = nullptr;
  for (const Option& option : problem_.roles[role].options) {
    if (option.variant == variant) return &option;
    if (!file.empty() && here(option.variant) && (*problem_.variants)[option.variant].shared_file == file)
      same_file = &option;
  }
  return same_file;
}

/// Bytes that `roles` take together on `variant` and other uses of its file; false where an instance cannot
/// serve so many.
bool GroupTable::cost_of(RoleSet roles, std::size_t variant, Cost& cost) const {
  std::map<std::size_t, std::size_t> users;
  for (std::size_t role = 0; role < problem_.roles.size(); ++role)
    if ((roles & bit(role)) != 0) ++users[matching(role, variant)->variant];
  Bytes own, host;
  bool first = true;
  for (const auto& [index, count] : users) {
    const PlanVariant& v = (*problem_.variants)[index];
    const std::int64_t memory = at_count(v.memory_by_roles, count);
    const std::int64_t elsewhere = v.host_by_roles.empty() ? 0 : at_count(v.host_by_roles, count);
    if (memory == nothing || elsewhere == nothing) return false;
    Bytes& place = group_.pool == 0 ? host : own;
    place += Bytes(memory) - (first ? Bytes(0) : v.shared_bytes);
    host += Bytes(elsewhere);
    first = false;
  }
  cost = {own.value(), host.value()};
  return !own.is_saturated() && !host.is_saturated();
}

/// Keeps the entries of one set that no other beats in own bytes, host bytes and value together.
void GroupTable::keep_front(std::vector<std::int64_t>& entries) {
  std::stable_sort(entries.begin(), entries.end(), [&](std::int64_t a, std::int64_t b) {
    const Entry &x = arena_[at(a)], &y = arena_[at(b)];
    if (x.value != y.value) return x.value > y.value;
    return x.own != y.own ? x.own < y.own : x.host < y.host;
  });
  // By own bytes, the least host bytes seen so far at no less value; falls as own bytes rise.
  std::map<std::int64_t, std::int64_t> stairs;
  std::vector<std::int64_t> front;
  for (const std::int64_t index : entries) {
    const Entry& entry = arena_[at(index)];
    auto above = stairs.upper_bound(entry.own);
    if (above != stairs.begin() && std::prev(above)->second <= entry.host) continue;
    front.push_back(index);
    while (above != stairs.end() && above->second >= entry.host) above = stairs.erase(above);
    stairs[entry.own] = entry.host;
  }
  entries = std::move(front);
}

/// Serves roles in order: the first unserved one opens an instance, which any set of later roles may join.
void GroupTable::collect_hot() {
  arena_.push_back({});
  Sets layer = {{0, {0}}};
  for (std::size_t role = 0; role < problem_.roles.size(); ++role) {
    if ((roles_ & bit(role)) == 0) continue;
    // Where nobody else serves it, a role that may not be WARM is served here.
    const bool must_serve = only_all_ && (warm_roles_ & bit(role)) == 0;
    Sets next;
    for (const auto& [served, entries] : layer)
      if (!must_serve || (served & bit(role)) != 0) next[served] = entries;
    for (const auto& [served, entries] : layer)
      if ((served & bit(role)) == 0) open(role, served, entries, next);
    for (auto& [served, entries] : next)
      if ((served & bit(role)) != 0) keep_front(entries);
    layer = std::move(next);
  }
  layer.erase(0);
  hot_ = std::move(layer);
}

void GroupTable::open(std::size_t role, RoleSet served, const std::vector<std::int64_t>& entries,
                      Sets& next) {
  for (const Option& option : problem_.roles[role].options) {
    if (!here(option.variant)) continue;
    RoleSet joiners = 0;
    for (std::size_t later = role + 1; later < problem_.roles.size(); ++later)
      if ((roles_ & ~served & bit(later)) != 0 && matching(later, option.variant) != nullptr)
        joiners |= bit(later);
    for (RoleSet extra = joiners;; extra = (extra - 1) & joiners) {
      const RoleSet joined = extra | bit(role);
      Cost cost;
      if (cost_of(joined, option.variant, cost)) {
        std::int64_t value = 0;
        for (std::size_t r = role; r < problem_.roles.size(); ++r)
          if ((joined & bit(r)) != 0) value += value_of(*matching(r, option.variant));
        auto& target = next[served | joined];
        for (const std::int64_t index : entries) {
          const Entry base = arena_[at(index)];
          const Bytes own = Bytes(base.own) + Bytes(cost.own), host = Bytes(base.host) + Bytes(cost.host);
          if (own.is_saturated() || host.is_saturated() || !fits(own.value(), host.value())) continue;
          arena_.push_back({own.value(), host.value(), base.value + value, index, option.variant, joined});
          target.push_back(static_cast<std::int64_t>(arena_.size()) - 1);
        }
      }
      if (extra == 0) break;
    }
  }
}

GroupTable::Cost GroupTable::single(std::size_t variant) const {
  const PlanVariant& v = (*problem_.variants)[variant];
  const std::int64_t memory = at_count(v.memory_by_roles, 1);
  const std::int64_t elsewhere = v.host_by_roles.empty() ? 0 : at_count(v.host_by_roles, 1);
  if (memory == nothing || elsewhere == nothing) return {nothing, nothing};
  return group_.pool == 0 ? Cost{0, memory} : Cost{memory, elsewhere};
}

/// WARM roles take turns in the same memory: together they need the largest own and the largest host bytes.
void GroupTable::collect_warm() {
  const auto empty = static_cast<std::int64_t>(arena_.size());
  arena_.push_back({});
  Sets sets = {{0, {empty}}};
  for (std::size_t role = 0; role < problem_.roles.size(); ++role) {
    if ((warm_roles_ & bit(role)) == 0) continue;
    Sets next = sets;
    for (const Option& option : problem_.roles[role].options) {
      if (!here(option.variant)) continue;
      const Cost cost = single(option.variant);
      if (cost.own == nothing || !fits(cost.own, cost.host)) continue;
      for (const auto& [warm, entries] : sets)
        for (const std::int64_t index : entries) {
          const Entry base = arena_[at(index)];
          arena_.push_back({std::max(base.own, cost.own), std::max(base.host, cost.host),
                            base.value + value_of(option), index, option.variant, bit(role)});
          next[warm | bit(role)].push_back(static_cast<std::int64_t>(arena_.size()) - 1);
        }
    }
    for (auto& [warm, entries] : next)
      if ((warm & bit(role)) != 0) keep_front(entries);
    sets = std::move(next);
  }
  sets.erase(0);
  warm_ = std::move(sets);
}

Front GroupTable::outcomes(RoleSet roles) const {
  Front found;
  static const std::vector<std::int64_t> none = {nothing};
  const auto entries_of = [](const Sets& sets, RoleSet set) -> const std::vector<std::int64_t>* {
    if (set == 0) return &none;
    const auto entries = sets.find(set);
    return entries == sets.end() ? nullptr : &entries->second;
  };
  const RoleSet candidates = roles & warm_roles_;
  for (RoleSet warm = candidates;; warm = (warm - 1) & candidates) {
    const auto* hot_entries = entries_of(hot_, roles & ~warm);
    const auto* warm_entries = entries_of(warm_, warm);
    if (hot_entries != nullptr && warm_entries != nullptr)
      for (const std::int64_t h : *hot_entries)
        for (const std::int64_t w : *warm_entries) {
          const Entry hot = h == nothing ? Entry{} : arena_[at(h)],
                      turn = w == nothing ? Entry{} : arena_[at(w)];
          const Bytes own = Bytes(hot.own) + Bytes(turn.own), host = Bytes(hot.host) + Bytes(turn.host);
          if (own.is_saturated() || host.is_saturated() || !fits(own.value(), host.value())) continue;
          const Bytes memory = own * group_.devices + host;
          found.offer({host.value(), hot.value + turn.value, memory.value(), h, w});
        }
    if (warm == 0) break;
  }
  return found;
}

void GroupTable::append(const Outcome& outcome, std::size_t group,
                        std::vector<Assignment>& assignments) const {
  for (std::int64_t index = outcome.hot; index != nothing; index = arena_[at(index)].parent)
    for (std::size_t role = 0; role < problem_.roles.size(); ++role)
      if ((arena_[at(index)].joined & bit(role)) != 0)
        assignments.push_back({role, matching(role, arena_[at(index)].variant)->variant, false, group});
  for (std::int64_t index = outcome.warm; index != nothing; index = arena_[at(index)].parent)
    for (std::size_t role = 0; role < problem_.roles.size(); ++role)
      if ((arena_[at(index)].joined & bit(role)) != 0)
        assignments.push_back({role, arena_[at(index)].variant, true, group});
}

}  // namespace llmsize::plan_search
