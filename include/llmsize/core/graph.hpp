#pragma once
#include <string>
#include <vector>

#include "llmsize/core/cache.hpp"
#include "llmsize/core/fact.hpp"
#include "llmsize/core/graph_allocator.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/core/run.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

struct Architecture;
struct Model;

/// A named buffer of the forward pass. Parts share space, so their sum is more than the peak.
struct ScratchPart {
  std::string name;  ///< "residual", "normalized", "attention_scores", "logits", …
  Bytes size;
};

/// The engine's compute buffer for one device.
struct Scratch {
  Bytes size;       ///< What the graph allocator reserves: exact, or the middle of the interval.
  Bytes low, high;  ///< Equal to size when exact.
  Basis basis = Basis::derived;
  std::string source;  ///< "graph allocator over N operations", or "closed form for gated dense models".
  std::vector<ScratchPart> parts;
};

/// The engine's prompt graph for `run`, with the model's caches as `layout` says.
/// Errors: unsupported where the architecture has no list of blocks or the model lacks a tensor that a block
/// needs; malformed where tensors and hyperparameters contradict each other.
Result<TensorGraph> prompt_graph(const Model& model, const Architecture& architecture, const Run& run,
                                 const ContextLayout& layout);

/// The largest tensor of each kind that `graph` computes.
std::vector<ScratchPart> named_parts(const TensorGraph& graph);

/// Sizes that graph on one CPU device, 32-byte alignment. Errors as for prompt_graph, and overflow.
Result<Scratch> compute_scratch(const Model& model, const Architecture& architecture, const Run& run,
                                const ContextLayout& layout);
/// The same with the layout that `context_layout` derives. Errors as for both.
Result<Scratch> compute_scratch(const Model& model, const Architecture& architecture, const Run& run);

}  // namespace llmsize
