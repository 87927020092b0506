#include "llmsize/core/plan_difference.hpp"

#include <algorithm>

namespace llmsize {
namespace {

std::optional<ServedRole> find(const std::vector<ServedRole>& roles, const std::string& name) {
  const auto found =
      std::find_if(roles.begin(), roles.end(), [&](const ServedRole& role) { return role.role == name; });
  return found == roles.end() ? std::nullopt : std::optional<ServedRole>(*found);
}

}  // namespace

PlanDifference difference_of(const std::vector<ServedRole>& before, const std::vector<ServedRole>& after) {
  PlanDifference difference;
  for (const auto& role : before) {
    auto now = find(after, role.role);
    if (now != role) difference.changes.push_back({role.role, role, std::move(now)});
  }
  for (const auto& role : after)
    if (!find(before, role.role)) difference.changes.push_back({role.role, std::nullopt, role});
  return difference;
}

}  // namespace llmsize
