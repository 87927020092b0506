#pragma once
#include <optional>
#include <string>
#include <vector>

#include "llmsize/core/plan.hpp"

namespace llmsize {

/// The next better choice for a role, and how much memory it lacked while all else stays as planned.
struct RunnerUp {
  std::size_t variant = 0;
  double quality = 0;
  Bytes lacked;
};

/// Per role of the request; nothing where the role is not placed or has the best there is.
std::vector<std::optional<RunnerUp>> runner_ups(const PlanRequest& request, const Plan& plan);

/// What the memory left over is good for, as the guide's "Scaling Up" has it: more workers, more context,
/// WARM instances that stay loaded. One sentence each; empty where nothing is left.
std::vector<std::string> spare_uses(const PlanRequest& request, const Plan& plan);

/// The roles that found no place, the least important first: the order in which they were given up.
std::vector<std::string> dropped_roles(const Plan& plan);

/// What the guide recommends for one role of a machine of this size.
struct GuideRecommendation {
  std::string role;     ///< "All roles" where one model serves everything.
  std::string printed;  ///< "Qwen3-Coder-30B Q4, 18 GB".
  std::vector<std::string> models;
  std::vector<std::string> quants;
};

/// The guide's recommendation beside the plan's choice, one line per role.
std::vector<std::string> compare_with_guide(const PlanRequest& request, const Plan& plan,
                                            const std::vector<GuideRecommendation>& recommendations);

}  // namespace llmsize
