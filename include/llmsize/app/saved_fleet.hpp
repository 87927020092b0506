#pragma once
#include <optional>
#include <string>
#include <vector>

#include "llmsize/app/saved_plan.hpp"
#include "llmsize/core/result.hpp"

namespace llmsize::app {

/// Hosts of a saved fleet plan that get the same servers.
struct SavedGroup {
  std::string id;
  SavedPlan plan;
};

struct SavedFleetHost {
  std::string name, machine_id;
  std::optional<std::size_t> group;  ///< Into SavedFleet::groups.
};

/// A fleet plan that `llmsize plan --hosts --json` printed, as far as --check needs it.
struct SavedFleet {
  std::vector<SavedGroup> groups;
  std::vector<SavedFleetHost> hosts;
};

/// Reads a saved fleet plan. `path` is for messages. Errors: malformed, naming the JSON pointer.
Result<SavedFleet> parse_saved_fleet(const std::string& content, const std::string& path);

}  // namespace llmsize::app
