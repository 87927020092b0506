#include "llmsize/core/architecture.hpp"
#include "llmsize/core/graph.hpp"

namespace llmsize {

Result<Scratch> compute_scratch(const Model& model, const Architecture& architecture, const Run& run) {
  const auto layout = context_layout(model, architecture, run);
  if (!layout) return tl::unexpected(layout.error());
  return compute_scratch(model, architecture, run, *layout);
}

}  // namespace llmsize
