#pragma once
#include <string>
#include <utility>
#include <vector>

#include "llmsize/core/plan.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

/// An instance of a saved plan on the host it is checked against.
struct CheckedInstance {
  std::string id, model, quant, pool;
  std::vector<std::string> roles;
  PlanTier tier = PlanTier::hot;
  int priority = 0;                                  ///< Of its most important role.
  Bytes planned;                                     ///< What the saved plan set aside.
  Bytes memory;                                      ///< What it takes on this host.
  std::vector<std::pair<std::string, Bytes>> needs;  ///< The same by pool: the host, each GPU.
  std::string shared_file;  ///< Whose mapped pages HOT instances in one pool share; empty: none.
  Bytes shared_bytes;
  bool fits = true;
};

/// One pool of this host with what the plan puts there.
struct CheckedPool {
  std::string id;
  Bytes budget, used;
  [[nodiscard]] Bytes headroom() const { return budget - used; }
};

struct PlanCheck {
  std::string file, host;
  std::vector<CheckedInstance> instances;
  std::vector<CheckedPool> pools;
  [[nodiscard]] bool fits() const;
};

/// Judges `check.instances` against `check.pools`: per pool, HOT instances and the largest WARM one of each
/// group that takes turns. Where they exceed one, instances keep their place by priority while they fit
/// beside those before them; the others lose theirs. An instance whose pool is not there does not fit.
void judge_plan(PlanCheck& check);

}  // namespace llmsize
