#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "llmsize/core/plan.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize::app {

/// An instance of a saved plan: what it takes to size it again.
struct SavedInstance {
  std::string id, model, quant, pool;
  std::vector<std::string> roles;
  PlanTier tier = PlanTier::hot;
  std::int64_t context_tokens = 0, parallel = 0;
  Bytes memory, prompt_cache;
  std::string load_mode;
  bool projector = false;
  std::int64_t devices = 1, gpu_layers = 0, cpu_expert_layers = 0;
};

/// A role of a saved plan.
struct SavedRole {
  std::string id, status, instance;
  int priority = 0;
  bool required = false;
};

/// A plan that `llmsize plan --json` printed, as far as --check and --diff need it.
struct SavedPlan {
  std::string host;
  Bytes total, available;
  std::vector<SavedRole> roles;
  std::vector<SavedInstance> instances;
};

/// Reads a saved plan. `path` is for messages. Errors: malformed, naming the JSON pointer.
Result<SavedPlan> parse_saved_plan(const std::string& content, const std::string& path);

/// The same of a document that is parsed already, as part of a larger one.
Result<SavedPlan> saved_plan_of(const nlohmann::json& document, const std::string& path);

}  // namespace llmsize::app
