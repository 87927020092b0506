#include "llmsize/core/projector.hpp"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

namespace llmsize {
namespace {

constexpr std::int64_t float_size = 4;

/// The encoder's shape under one prefix, "vision." or "audio.".
struct Encoder {
  std::int64_t inputs = 0;  ///< Patches of the largest image, or frames.
  std::int64_t width = 0;
  std::int64_t feed_forward = 0;
  std::int64_t heads = 0;
};

/// Models that take images of any size are warmed up with this many patches to a side (llama.cpp v0.5.0,
/// clip: 46 merged tokens of 2 x 2 patches).
constexpr std::int64_t largest_side = 92;
/// Frames of 30 seconds of sound behind the convolutions of a Whisper encoder.
constexpr std::int64_t audio_frames = 1500;
/// No encoder comes near; beyond this a file is damaged.
constexpr std::int64_t highest = 1 << 20;

std::int64_t bounded(std::int64_t value) {
  return std::clamp<std::int64_t>(value, 0, highest);
}

Encoder encoder_of(const Hyperparameters& h, const std::string& kind) {
  const auto value = [&](const char* key) { return bounded(h.integer(kind + key).value_or(0)); };
  Encoder encoder{0, value("embedding_length"), value("feed_forward_length"), value("attention.head_count")};
  if (kind == "audio.") {
    encoder.inputs = encoder.width > 0 ? audio_frames : 0;
    return encoder;
  }
  const auto patch = std::max<std::int64_t>(1, value("patch_size"));
  const auto side = value("image_size") / patch;
  const bool any_size = value("spatial_merge_size") > 1 || h.has(kind + "image_max_pixels");
  const auto most = any_size ? std::max(side, largest_side) : side;
  encoder.inputs = saturating_multiply(most, most);
  return encoder;
}

/// The widest step of one layer: the feed-forward beside the residual, or queries, keys and values.
Bytes activations(const Encoder& e) {
  const auto width = std::max(e.feed_forward * 2, e.width * 4) + e.width * 2;
  return Bytes(float_size) * saturating_multiply(e.inputs, width);
}

/// All heads' scores at once, which fused attention does not keep.
Bytes scores(const Encoder& e) {
  return Bytes(float_size) * saturating_multiply(e.heads, saturating_multiply(e.inputs, e.inputs));
}

}  // namespace

SizedPart projector_size(const Model& projector, const BufferRule& rule, bool flash_attention) {
  Bytes weights;
  for (const auto& tensor : projector.tensors) weights += buffer_size(tensor, rule);
  SizedPart part{weights, weights, weights, Basis::derived, {}, true};
  Bytes largest, largest_scores;
  for (const char* kind : {"vision.", "audio."}) {
    const auto encoder = encoder_of(projector.hyperparameters, kind);
    largest = std::max(largest, activations(encoder));
    largest_scores = std::max(largest_scores, scores(encoder));
  }
  part.size += largest;
  part.low += Bytes(largest.is_saturated() ? largest.value() : largest.value() / 2);
  part.high += largest * 2;
  // Scores in single precision and once more after the softmax.
  if (!flash_attention) part.high = std::max(part.high, part.size + largest_scores * 2);
  part.source =
      fmt::format("{} tensors, and a formula for the graph of the largest input", projector.tensors.size());
  return part;
}

}  // namespace llmsize
