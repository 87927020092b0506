#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "llmsize/core/units.hpp"

namespace llmsize {

/// What serves a role in a saved plan; empty texts where nothing does.
struct ServedRole {
  std::string role, status, model, quant, tier, pool;
  std::int64_t context_tokens = 0, parallel = 0;
  Bytes memory;  ///< Of its instance, which other roles may share.
  friend bool operator==(const ServedRole&, const ServedRole&) = default;
};

/// A role that two plans serve differently.
struct RoleChange {
  std::string role;
  std::optional<ServedRole> before, after;  ///< Absent where a plan does not have the role.
};

struct PlanDifference {
  Bytes available_before, available_after;
  std::vector<RoleChange> changes;  ///< In the order of the first plan, then roles that only the second has.
};

PlanDifference difference_of(const std::vector<ServedRole>& before, const std::vector<ServedRole>& after);

}  // namespace llmsize
