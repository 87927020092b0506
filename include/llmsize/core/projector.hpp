#pragma once
#include "llmsize/core/footprint.hpp"
#include "llmsize/core/model.hpp"
#include "llmsize/core/weights.hpp"

namespace llmsize {

/// Weights of a vision or audio projector (a model of architecture "clip") in a buffer, and the scratch of
/// the largest input it is warmed up with, as an interval (docs/METHOD.md, "Beside the model"). With flash
/// attention, which the server's flag switches for the projector, too, no scores are kept.
SizedPart projector_size(const Model& projector, const BufferRule& rule, bool flash_attention);

}  // namespace llmsize
