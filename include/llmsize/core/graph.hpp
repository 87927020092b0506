#pragma once
#include <string>
#include <vector>

#include "llmsize/core/cache.hpp"
#include "llmsize/core/fact.hpp"
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

/// Sizes the prompt graph of `run` on one CPU device, 32-byte alignment.
Result<Scratch> compute_scratch(const Model& model, const Architecture& architecture, const Run& run);

}  // namespace llmsize
