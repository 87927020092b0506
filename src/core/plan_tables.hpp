#pragma once
#include <cstdint>
#include <map>
#include <vector>

#include "llmsize/core/plan_search.hpp"

// What one group of memories can serve: the inner half of the plan's search.
namespace llmsize::plan_search {

constexpr std::int64_t nothing = -1;

constexpr RoleSet bit(std::size_t role) {
  return RoleSet(1) << role;
}

/// A way to serve some roles, by what matters outside of its group.
struct Outcome {
  std::int64_t host = 0;                       ///< Bytes of the host's memory.
  std::int64_t value = 0;                      ///< Weighted worth.
  std::int64_t memory = 0;                     ///< All bytes, to prefer less.
  std::int64_t hot = nothing, warm = nothing;  ///< How, within the table that made it.
};

/// Outcomes that no other beats: by rising host memory and value, of equal values by falling memory.
class Front {
 public:
  /// Adds an outcome unless one that is there is as good, and drops those that it beats.
  void offer(const Outcome& outcome);
  [[nodiscard]] const std::vector<Outcome>& outcomes() const { return outcomes_; }

 private:
  std::vector<Outcome> outcomes_;
};

/// All ways to serve roles in one group of `devices` memories of a pool.
class GroupTable {
 public:
  /// `unlimited_host`: the host's budget does not count. `worthless`: every value is 0, so that only memory
  /// matters. `only_all`: nobody else serves a role, and only all of them together are asked for.
  GroupTable(const Problem& problem, Group group, RoleSet roles, bool unlimited_host, bool worthless,
             bool only_all);

  /// The ways to serve exactly `roles`.
  [[nodiscard]] Front outcomes(RoleSet roles) const;
  /// Adds the roles of an outcome.
  void append(const Outcome& outcome, std::size_t group, std::vector<Assignment>& assignments) const;
  /// Whether any option could be placed here.
  [[nodiscard]] bool serves_anything() const { return !hot_.empty() || !warm_.empty(); }
  [[nodiscard]] const Group& group() const { return group_; }

 private:
  /// One way to serve a set of roles: own and host bytes, worth, and the step that led here.
  struct Entry {
    std::int64_t own = 0, host = 0, value = 0;
    std::int64_t parent = nothing;
    std::size_t variant = 0;
    RoleSet joined = 0;  ///< Roles that this step put on `variant` or its file.
  };
  struct Cost {
    std::int64_t own = 0, host = 0;
  };
  using Sets = std::map<RoleSet, std::vector<std::int64_t>>;

  [[nodiscard]] bool here(std::size_t variant) const;
  [[nodiscard]] bool fits(std::int64_t own, std::int64_t host) const;
  [[nodiscard]] std::int64_t value_of(const Option& option) const { return worthless_ ? 0 : option.value; }
  [[nodiscard]] const Option* matching(std::size_t role, std::size_t variant) const;
  [[nodiscard]] bool cost_of(RoleSet roles, std::size_t variant, Cost& cost) const;
  [[nodiscard]] Cost single(std::size_t variant) const;
  void collect_hot();
  void open(std::size_t role, RoleSet served, const std::vector<std::int64_t>& entries, Sets& next);
  void collect_warm();
  void keep_front(std::vector<std::int64_t>& entries);

  static std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

  const Problem& problem_;
  Group group_;
  RoleSet roles_;
  bool unlimited_host_, worthless_, only_all_;
  RoleSet warm_roles_ = 0;
  std::vector<Entry> arena_;
  Sets hot_, warm_;
};

}  // namespace llmsize::plan_search
