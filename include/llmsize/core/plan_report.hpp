#pragma once
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "llmsize/core/footprint.hpp"
#include "llmsize/core/guide.hpp"
#include "llmsize/core/plan.hpp"
#include "llmsize/core/plan_explain.hpp"
#include "llmsize/core/serving.hpp"
#include "llmsize/core/tier.hpp"

namespace llmsize {

/// Everything `llmsize plan` answers; rendered as text or JSON.
struct PlanReport {
  std::string host;          ///< "--ram 256" or the host's name.
  std::string bound_by;      ///< The limit that leaves least for models.
  std::string total_source;  ///< Where the total stands.
  MemoryBudget budget;
  std::string os_reserve_source;
  std::string safety_source;
  std::optional<Tier> tier;
  PlanRequest request;
  Plan plan;
  Residency residency;         ///< How every server holds its weights.
  std::optional<int> threads;  ///< For each server; unknown on a machine that only --ram describes.
  int numa_nodes = 1;          ///< Of the machine.
  std::map<std::size_t, ModelFile> files;  ///< By variant, of those that are used.
  Deployment deployment;
  std::vector<std::optional<RunnerUp>> runner_ups;  ///< Per role of the request.
  std::vector<std::string> spare_uses;              ///< What the memory left over is good for.
  std::vector<std::string> guide_advice;  ///< What the guide recommends for this size, one line each.
  std::string needed_fact;  ///< The flag without which a filter left choices out, as a clause; empty: none.
  bool reserve_by_rule = false;  ///< The reserve follows the size of RAM, instead of a flag or a measurement.
  std::optional<Bytes> next_ram;  ///< What RAM must grow by for `next_step`, where that is memory.
  std::string next_step;          ///< The flag to change next, as a clause.
  std::vector<std::string> notes;
};

}  // namespace llmsize
