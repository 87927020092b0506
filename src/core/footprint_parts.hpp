#pragma once
#include <string>

#include "llmsize/core/footprint.hpp"

namespace llmsize {

// The small parts of a footprint, which do not depend on where the layers are (docs/METHOD.md, "Totals and
// verdicts").

SizedPart exactly(Bytes size, std::string source);
/// Logits of each output row, for the client to read.
SizedPart output_buffer(const Model& model, const Run& run);
SizedPart runtime_part(const Model& model);
/// The graph's input for embedded tokens.
SizedPart token_vectors(const Model& model, const Run& run);
/// What the server keeps of every token of the context.
SizedPart result_part(const Run& run);
/// What weights pass through on their way to a device.
SizedPart load_staging(const Footprint& footprint, LoadMode mode);
/// Says what checkpoints may take, which no part counts.
void note_checkpoints(Footprint& footprint, const ContextLayout& layout, const Run& run);

}  // namespace llmsize
