#include "llmsize/core/scratch_closed_form.hpp"

#include <algorithm>

namespace llmsize {
namespace {

constexpr std::int64_t float_size = 4;

/// Bounds as factors of the formula's value, from engine / formula over the recorded runs of real models.
struct Spread {
  double low = 1;
  double high = 1;
};
constexpr Spread dense_spread{0.9, 1.3};
constexpr Spread expert_spread{0.7, 1.7};
constexpr Spread indexer_spread{0.9, 3.0};
constexpr Spread recurrent_spread{0.75, 1.3};

struct Shape {
  std::int64_t embedding = 0;
  std::int64_t heads = 0;
  std::int64_t feed_forward = 0;
  std::int64_t expert_feed_forward = 0;
  std::int64_t experts_used = 0;
  std::int64_t vocabulary = 0;
  std::int64_t cells = 0;  ///< Of the widest mask.
  std::int64_t key_width = 0;
  std::int64_t value_width = 0;
  std::int64_t state_input = 0;  ///< "ssm.inner_size" of recurrent layers.
  bool recurrent = false;
  bool gated = true;
  bool latent = false;
  bool indexer = false;
};

/// Larger values are damage; held here, sums of a few of them cannot overflow.
std::int64_t bounded(std::int64_t value) {
  constexpr std::int64_t most = std::int64_t{1} << 40;
  return std::clamp<std::int64_t>(value, 0, most);
}

/// Whether the feed-forward part multiplies by a gate: a tensor of its own, or the second half of a double
/// "up".
bool is_gated(const Model& model, std::int64_t feed_forward) {
  const auto* up = model.find_tensor("blk.0.ffn_up.weight");
  if (up == nullptr || model.find_tensor("blk.0.ffn_gate.weight") != nullptr) return true;
  return up->dimensions[1] >= saturating_multiply(2, feed_forward);
}

Shape shape_of(const Model& model, const ContextLayout& layout) {
  const auto& h = model.hyperparameters;
  Shape shape;
  shape.embedding = bounded(h.embedding_length());
  for (int layer = 0; layer < h.main_layer_count(); ++layer) {
    shape.heads = std::max(shape.heads, bounded(h.head_count(layer)));
    shape.feed_forward = std::max(shape.feed_forward, bounded(h.feed_forward_length(layer)));
  }
  shape.experts_used = bounded(h.experts_used());
  shape.expert_feed_forward = bounded(h.integer("expert_feed_forward_length").value_or(shape.feed_forward));
  shape.vocabulary = bounded(h.vocabulary_size());
  if (const auto* head = model.find_tensor("token_embd.weight"); shape.vocabulary == 0 && head != nullptr)
    shape.vocabulary = head->dimensions[1];
  shape.state_input = bounded(h.integer("ssm.inner_size").value_or(0));
  shape.gated = is_gated(model, shape.feed_forward);
  for (const auto& entry : layout) {
    const auto* cache = std::get_if<AttentionCache>(&entry.memory);
    shape.recurrent = shape.recurrent || cache == nullptr;
    if (cache == nullptr) continue;
    shape.cells = std::max(shape.cells, cache->cells);
    shape.key_width = std::max(shape.key_width, cache->key_width);
    shape.value_width = std::max(shape.value_width, cache->value_width);
    shape.indexer = shape.indexer || cache->kind == AttentionCache::Kind::indexer;
    shape.latent = shape.latent || (cache->kind == AttentionCache::Kind::full && cache->value_width == 0);
  }
  return shape;
}

Bytes floats(std::int64_t rows, std::int64_t width) {
  return Bytes(float_size) * saturating_multiply(rows, width);
}

/// What is alive together in the gated feed-forward part, or in the experts' part.
Bytes feed_forward_part(const Shape& s, const Run& run) {
  const auto t = run.prompt_tokens;
  // The attention mask in half precision, positions and indices.
  const Bytes inputs =
      Bytes(2) * saturating_multiply(s.cells, t) + Bytes(24) * t + Bytes(float_size) * run.output_rows;
  const Bytes dense = floats(t, (s.gated ? 3 : 1) * s.feed_forward + 4 * s.embedding);
  if (s.experts_used == 0) return dense + inputs;
  const auto wide = bounded(saturating_multiply(s.experts_used, s.expert_feed_forward));
  const auto out = bounded(saturating_multiply(s.experts_used, s.embedding));
  const Bytes up = floats(t, 3 * wide + 4 * s.embedding);
  const Bytes down = floats(t, 2 * out + wide + 3 * s.embedding);
  return std::max(up, down) + inputs;
}

Bytes logits_part(const Shape& s, const Run& run) {
  return floats(run.output_rows, s.vocabulary) + floats(run.prompt_tokens, 2 * s.embedding + 1);
}

/// Recurrent layers hold their projected input several times over.
Bytes recurrent_part(const Shape& s, const Run& run) {
  return floats(run.prompt_tokens, 6 * s.state_input + s.embedding);
}

/// Latent attention holds each head's query and answer as wide as the latent vector.
Bytes latent_part(const Shape& s, const Run& run) {
  return floats(run.prompt_tokens, bounded(saturating_multiply(2 * s.heads, s.key_width)) + 4 * s.embedding);
}

/// Without flash attention the scores of all heads are alive at once.
Bytes scores_part(const Shape& s, const Run& run) {
  const auto t = run.prompt_tokens;
  const auto scores = saturating_multiply(s.cells, saturating_multiply(s.heads, t));
  return Bytes(float_size) * scores + floats(t, s.cells) +
         floats(t, 5 * s.embedding + 2 * bounded(s.value_width));
}

Spread spread_of(const Shape& shape) {
  if (shape.indexer) return indexer_spread;
  if (shape.recurrent) return recurrent_spread;
  return shape.experts_used > 0 ? expert_spread : dense_spread;
}

Bytes scaled(Bytes size, double factor) {
  if (size.is_saturated()) return size;
  const double value = static_cast<double>(size.value()) * factor;
  return value >= static_cast<double>(Bytes::highest) ? Bytes(Bytes::highest)
                                                      : Bytes(static_cast<std::int64_t>(value));
}

}  // namespace

Scratch closed_form_scratch(const Model& model, const Run& run, const ContextLayout& layout) {
  const auto shape = shape_of(model, layout);
  const Bytes feed_forward = feed_forward_part(shape, run);
  const Bytes logits = logits_part(shape, run);
  Scratch scratch;
  scratch.parts = {{"feed_forward", feed_forward}, {"logits", logits}};
  if (shape.recurrent) scratch.parts.push_back({"recurrent", recurrent_part(shape, run)});
  if (shape.latent) scratch.parts.push_back({"latent_attention", latent_part(shape, run)});
  if (!run.flash_attention && shape.cells > 0)
    scratch.parts.push_back({"attention_scores", scores_part(shape, run)});
  for (const auto& part : scratch.parts) scratch.size = std::max(scratch.size, part.size);
  const auto spread = spread_of(shape);
  scratch.low = scaled(scratch.size, spread.low);
  scratch.high = scaled(scratch.size, spread.high);
  scratch.basis = Basis::derived;
  scratch.source = "closed form: this architecture's operations are not listed";
  return scratch;
}

}  // namespace llmsize
