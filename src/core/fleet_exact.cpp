#include <algorithm>
#include <limits>

#include "fleet_search.hpp"

namespace llmsize::fleet_search {
namespace {

/// How good the best way to some replicas is.
struct Cell {
  std::int64_t value = -1;  ///< Negative: there is no way.
  std::int64_t warm = 0;
  std::int64_t hosts = 0;
  std::int64_t unevenness = 0;  ///< The k-th host of a class counts k.
};

bool is_better(const Cell& a, const Cell& b) {
  if (a.value != b.value) return a.value > b.value;
  if (a.warm != b.warm) return a.warm < b.warm;
  return a.hosts != b.hosts ? a.hosts < b.hosts : a.unevenness < b.unevenness;
}

/// Numbers of replicas as one number: the first role is its highest digit, so that of two states the one
/// that serves more important roles is the greater.
class States {
 public:
  explicit States(const FleetRequest& request) : weights_(request.replicas.size()) {
    for (std::size_t role = 0; role < request.replicas.size(); ++role) {
      std::int64_t able = 0;
      for (const auto& of_class : request.classes)
        if (std::any_of(of_class.patterns.begin(), of_class.patterns.end(),
                        [&](const FleetPattern& pattern) { return (pattern.roles & role_bit(role)) != 0; }))
          able += of_class.hosts;
      most_.push_back(std::clamp<std::int64_t>(request.replicas[role], 0, able));
      replicas_ += most_.back();
      work_ *= static_cast<double>(most_.back() + 1);
    }
  }

  /// What the search would take: every state for every host and pattern.
  [[nodiscard]] double work(const FleetRequest& request) const {
    double sum = 0;
    for (const auto& of_class : request.classes)
      sum += work_ * static_cast<double>(layers(of_class)) * static_cast<double>(of_class.patterns.size());
    return sum;
  }
  /// No more hosts of a class than replicas can be of use.
  [[nodiscard]] std::size_t layers(const FleetClass& of_class) const {
    return static_cast<std::size_t>(std::min(of_class.hosts, replicas_));
  }

  void number() {
    std::size_t weight = 1;
    for (std::size_t role = most_.size(); role-- > 0;) {
      weights_[role] = weight;
      weight *= static_cast<std::size_t>(most_[role]) + 1;
    }
    full_.assign(weight, 0);
    for (std::size_t state = 0; state < weight; ++state)
      for (std::size_t role = 0; role < most_.size(); ++role)
        if (digit(state, role) == most_[role]) full_[state] |= role_bit(role);
  }
  [[nodiscard]] std::size_t count() const { return full_.size(); }
  [[nodiscard]] std::int64_t digit(std::size_t state, std::size_t role) const {
    return static_cast<std::int64_t>(state / weights_[role] % (static_cast<std::size_t>(most_[role]) + 1));
  }
  [[nodiscard]] bool takes(std::size_t state, FleetRoles roles) const { return (full_[state] & roles) == 0; }
  [[nodiscard]] std::size_t step(FleetRoles roles) const {
    std::size_t sum = 0;
    for (std::size_t role = 0; role < weights_.size(); ++role)
      if ((roles & role_bit(role)) != 0) sum += weights_[role];
    return sum;
  }

 private:
  std::vector<std::int64_t> most_;
  std::vector<std::size_t> weights_;
  std::vector<FleetRoles> full_;  ///< By state: roles that have all the replicas they may get.
  std::int64_t replicas_ = 0;
  double work_ = 1;
};

/// How each state was reached within one class.
struct Trace {
  std::vector<std::vector<std::uint16_t>> pattern;  ///< By hosts used so far, from 1, and state.
  std::vector<std::uint16_t> hosts;                 ///< By state.
};

/// Adds the hosts of one class to the states that were reached before.
Trace add_class(const States& states, const FleetClass& of_class, std::vector<Cell>& best) {
  Trace trace;
  trace.hosts.assign(states.count(), 0);
  std::vector<std::size_t> steps;
  for (const auto& pattern : of_class.patterns) steps.push_back(states.step(pattern.roles));
  std::vector<Cell> layer = best;
  for (std::size_t host = 1; host <= states.layers(of_class); ++host) {
    std::vector<Cell> next(states.count());
    std::vector<std::uint16_t> by(states.count(), 0);
    bool any = false;
    for (std::size_t state = 0; state < states.count(); ++state) {
      if (layer[state].value < 0) continue;
      for (std::size_t p = 0; p < steps.size(); ++p) {
        if (!states.takes(state, of_class.patterns[p].roles)) continue;
        const FleetPattern& pattern = of_class.patterns[p];
        const Cell cell = {layer[state].value + pattern.value, layer[state].warm + pattern.warm,
                           layer[state].hosts + 1, layer[state].unevenness + static_cast<std::int64_t>(host)};
        Cell& target = next[state + steps[p]];
        if (target.value >= 0 && !is_better(cell, target)) continue;
        target = cell;
        by[state + steps[p]] = static_cast<std::uint16_t>(p);
        any = true;
      }
    }
    if (!any) break;
    for (std::size_t state = 0; state < states.count(); ++state) {
      if (next[state].value < 0 || (best[state].value >= 0 && !is_better(next[state], best[state]))) continue;
      best[state] = next[state];
      trace.hosts[state] = static_cast<std::uint16_t>(host);
    }
    trace.pattern.push_back(std::move(by));
    layer = std::move(next);
  }
  return trace;
}

}  // namespace

std::optional<FleetAssignment> exact(const FleetRequest& request) {
  States states(request);
  if (states.work(request) > most_fleet_work) return std::nullopt;
  for (const auto& of_class : request.classes)
    if (states.layers(of_class) > std::numeric_limits<std::uint16_t>::max()) return std::nullopt;
  states.number();
  std::vector<Cell> best(states.count());
  best.front().value = 0;
  std::vector<Trace> traces;
  for (const auto& of_class : request.classes) traces.push_back(add_class(states, of_class, best));
  // The greatest state that can be reached serves the most, in order of priority.
  std::size_t state = best.size() - 1;
  while (best[state].value < 0) --state;
  FleetAssignment assignment;
  assignment.value = assignment.bound = best[state].value;
  assignment.exact = true;
  for (std::size_t role = 0; role < request.replicas.size(); ++role)
    assignment.served.push_back(states.digit(state, role));
  assignment.hosts.resize(request.classes.size());
  for (std::size_t i = request.classes.size(); i-- > 0;)
    for (std::size_t host = traces[i].hosts[state]; host > 0; --host) {
      const FleetPattern& pattern = request.classes[i].patterns[traces[i].pattern[host - 1][state]];
      ++assignment.hosts[i][pattern.roles];
      state -= states.step(pattern.roles);
    }
  return assignment;
}

}  // namespace llmsize::fleet_search
