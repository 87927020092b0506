#pragma once
#include <string>
#include <vector>

namespace llmsize {

/// The "graph" section of an architecture: the ordered blocks, with their flags, of the engine's prompt
/// graph.
struct GraphRule {
  std::vector<std::string> layer;  ///< Empty: no exact list; the closed form with an interval is used.
};

}  // namespace llmsize
