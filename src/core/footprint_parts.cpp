#include "footprint_parts.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "llmsize/core/model.hpp"

namespace llmsize {
namespace {

// Vocabulary, its hash tables and the like: 26 MiB were measured at 128k tokens (docs/METHOD.md, "Totals and
// verdicts"). The process itself, its libraries, threads and graph metadata come on top.
constexpr std::int64_t bytes_per_vocabulary_token = 208;
constexpr Bytes process_size = mebibytes(8);
constexpr Bytes process_size_low = mebibytes(4);
constexpr Bytes process_size_high = mebibytes(64);
// llama-server keeps at most this many checkpoints of windows and states per slot (--ctx-checkpoints).
constexpr std::int64_t checkpoints_per_slot = 32;

/// What one checkpoint of a slot would hold: windows and states, which cannot be cut back like a full cache.
Bytes checkpoint_size(const ContextLayout& layout, const Run& run) {
  Bytes size;
  for (const auto& entry : layout) {
    const auto* cache = std::get_if<AttentionCache>(&entry.memory);
    const bool whole = cache == nullptr || cache->kind == AttentionCache::Kind::sliding_window ||
                       cache->kind == AttentionCache::Kind::chunked;
    if (whole) size += allocated_size(entry.memory);
  }
  return Bytes(size.is_saturated() ? size.value() : size.value() / std::max<std::int64_t>(1, run.sequences));
}

}  // namespace

SizedPart exactly(Bytes size, std::string source) {
  return {size, size, size, Basis::derived, std::move(source), true};
}

SizedPart output_buffer(const Model& model, const Run& run) {
  auto vocabulary = model.hyperparameters.vocabulary_size();
  if (const auto* table = model.find_tensor("token_embd.weight"); vocabulary == 0 && table != nullptr)
    vocabulary = table->dimensions[1];
  const auto rows = run.tool == Tool::server ? std::max(run.sequences, run.output_rows) : run.sequences;
  if (!run.embeddings)
    return exactly(tensor_type::f32.row_size(vocabulary) * rows,
                   "4 bytes per logit, a row per sequence or output");
  // The buffer grows to the most outputs that one batch asked for.
  const auto row = tensor_type::f32.row_size(vocabulary + model.hyperparameters.embedding_length());
  return {row * run.sequences,
          row * run.sequences,
          row * std::max(run.sequences, run.batch_tokens),
          Basis::derived,
          "4 bytes per logit and embedding value, rows for every sequence, up to a batch",
          true};
}

SizedPart runtime_part(const Model& model) {
  const auto vocabulary =
      Bytes(bytes_per_vocabulary_token) * std::max<std::int64_t>(0, model.hyperparameters.vocabulary_size());
  return {vocabulary + process_size,
          vocabulary + process_size_low,
          vocabulary * 2 + process_size_high,
          Basis::derived,
          "26 MiB measured at 128k tokens of vocabulary, and the process itself",
          true};
}

SizedPart token_vectors(const Model& model, const Run& run) {
  const Bytes size = tensor_type::f32.row_size(model.hyperparameters.embedding_length()) * run.prompt_tokens;
  return exactly(size, "a row of F32 per token of the micro-batch; in compute_bytes");
}

/// Each token is kept as a number of 4 bytes and as text; 4 bytes are the usual length of a token's text.
SizedPart result_part(const Run& run) {
  constexpr std::int64_t number_and_text = 8;
  return exactly(Bytes(number_and_text) * run.context_tokens,
                 "a token's number and text for every token of the context; in runtime_bytes");
}

/// Weights that are read rather than mapped pass through four pinned buffers on their way to a device
/// (llama.cpp v0.5.0, llama-model-loader, load_all_data).
SizedPart load_staging(const Footprint& f, LoadMode mode) {
  constexpr std::int64_t buffers = 4;
  constexpr Bytes buffer = mebibytes(64);
  const bool uploads =
      mode == LoadMode::none && std::any_of(f.devices.begin(), f.devices.end(),
                                            [](const DeviceMemory& d) { return d.weights > Bytes(0); });
  if (!uploads) return exactly(Bytes(0), "weights are mapped, or read to where they stay");
  return {buffer * buffers,
          Bytes(0),
          buffer * buffers,
          Basis::derived,
          "four buffers of 64 MiB while loading",
          true};
}

Bytes checkpoints_size(const ContextLayout& layout, const Run& run) {
  if (run.tool != Tool::server) return Bytes(0);
  return checkpoint_size(layout, run) * saturating_multiply(checkpoints_per_slot, run.sequences);
}

void note_checkpoints(Footprint& result, const ContextLayout& layout, const Run& run) {
  if (run.tool != Tool::server) return;
  const Bytes each = checkpoint_size(layout, run);
  if (each == Bytes(0) || each.is_saturated()) return;
  result.notes.push_back(fmt::format(
      "the server may keep up to {} checkpoints per slot of at most {:.1f} MiB each, not counted; "
      "--ctx-checkpoints 0 keeps none",
      checkpoints_per_slot, static_cast<double>(each.value()) / static_cast<double>(mebibytes(1).value())));
}

}  // namespace llmsize
