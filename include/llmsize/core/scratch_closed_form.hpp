#pragma once
#include "llmsize/core/cache.hpp"
#include "llmsize/core/graph.hpp"
#include "llmsize/core/model.hpp"
#include "llmsize/core/run.hpp"

namespace llmsize {

/// The compute buffer by formula, for architectures whose operations are not listed: the larger of what the
/// feed-forward part and what the logits need, with an interval that held for 99 % of the engine's recorded
/// answers for real models (docs/METHOD.md, "Scratch without a graph"). `layout` gives the cells that the
/// masks span.
Scratch closed_form_scratch(const Model& model, const Run& run, const ContextLayout& layout);

}  // namespace llmsize
