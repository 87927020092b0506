#pragma once
#include <cstddef>
#include <vector>

#include "llmsize/core/plan.hpp"
#include "llmsize/core/plan_search.hpp"

// Shared by the sources of the plan; nobody else's business.
namespace llmsize {

/// The request as the search sees it; `source[i]` is the request's role behind the search's role i.
struct Compiled {
  plan_search::Problem problem;
  std::vector<std::size_t> source;
};

/// Errors: usage for too many roles, internal for options that name no variant.
Result<void> check_plan_request(const PlanRequest& request);

/// `share` scales every pool's budget.
Compiled compile(const PlanRequest& request, double share);
/// The same compiled request for another share.
Compiled with_share(const PlanRequest& request, Compiled compiled, double share);

/// The plan that a placement of the compiled request makes.
Plan assemble(const PlanRequest& request, const Compiled& compiled, const plan_search::Solution& solution);

}  // namespace llmsize
