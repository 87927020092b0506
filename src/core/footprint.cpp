#include "llmsize/core/footprint.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "llmsize/core/architecture.hpp"
#include "llmsize/core/model.hpp"
#include "llmsize/core/repack.hpp"
#include "llmsize/core/scratch_closed_form.hpp"
#include "llmsize/core/weights.hpp"

namespace llmsize {
namespace {

// Vocabulary, its hash tables and the like: 26 MiB were measured at 128k tokens (docs/METHOD.md, "Totals and
// verdicts"). The process itself, its libraries, threads and graph metadata come on top.
constexpr std::int64_t bytes_per_vocabulary_token = 208;
constexpr Bytes process_size = mebibytes(8);
constexpr Bytes process_size_low = mebibytes(4);
constexpr Bytes process_size_high = mebibytes(64);
// The engine maps per-layer embeddings of more than this even when asked not to map (llama.cpp v0.5.0).
constexpr Bytes lazily_read_from = gibibytes(4);
// llama-server keeps at most this many checkpoints of windows and states per slot (--ctx-checkpoints).
constexpr std::int64_t checkpoints_per_slot = 32;

SizedPart exactly(Bytes size, std::string source) {
  return {size, size, size, Basis::derived, std::move(source), true};
}

SizedPart nobody_knows(std::string why) {
  SizedPart part;
  part.basis = Basis::assumed;
  part.source = std::move(why);
  part.known = false;
  return part;
}

struct WeightResidency {
  Bytes file_backed;
  Bytes anonymous;  ///< Copies included.
};

/// Weights that stay mapped whatever the load mode says.
Bytes always_mapped(const Model& model) {
  const auto* table = model.find_tensor("per_layer_token_embd.weight");
  return table != nullptr && table->size() > lazily_read_from ? buffer_size(*table) : Bytes(0);
}

/// Each loaded tensor once: two buffers over the same mapping share its pages. The engine unmaps the file
/// before the first and after the last tensor that it uses in place, and keeps what lies between, repacked or
/// not.
Bytes mapped_once(const Model& model, const std::vector<bool>& replaced) {
  Bytes sum, up_to_last_used;
  for (std::size_t index = 0; index < model.tensors.size(); ++index) {
    const auto& tensor = model.tensors[index];
    if (copies_in_engine(model, tensor) == 0) continue;
    const bool used = index >= replaced.size() || !replaced[index];
    if (!used && up_to_last_used == Bytes(0)) continue;
    sum += buffer_size(tensor);
    if (used) up_to_last_used = sum;
  }
  return up_to_last_used;
}

WeightResidency weight_residency(const Model& model, const Repacking& repacked, LoadMode mode) {
  if (mode != LoadMode::none) return {mapped_once(model, repacked.replaced), repacked.copies};
  const Bytes mapped = always_mapped(model);
  return {mapped, engine_weights_size(model) - mapped - repacked.originals + repacked.copies};
}

/// Logits of each output row, for the client to read.
SizedPart output_buffer(const Model& model, const Run& run) {
  auto vocabulary = model.hyperparameters.vocabulary_size();
  if (const auto* table = model.find_tensor("token_embd.weight"); vocabulary == 0 && table != nullptr)
    vocabulary = table->dimensions[1];
  const auto rows = run.tool == Tool::server ? std::max(run.sequences, run.output_rows) : run.sequences;
  return exactly(tensor_type::f32.row_size(vocabulary) * rows,
                 "4 bytes per logit, a row per sequence or output");
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

SizedPart compute_part(const Scratch& scratch) {
  return {scratch.size, scratch.low, scratch.high, scratch.basis, scratch.source, true};
}

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

void note_checkpoints(Footprint& result, const ContextLayout& layout, const Run& run) {
  if (run.tool != Tool::server) return;
  const Bytes each = checkpoint_size(layout, run);
  if (each == Bytes(0) || each.is_saturated()) return;
  result.notes.push_back(fmt::format(
      "the server may keep up to {} checkpoints per slot of at most {:.1f} MiB each, not counted; "
      "--ctx-checkpoints 0 keeps none",
      checkpoints_per_slot, static_cast<double>(each.value()) / static_cast<double>(mebibytes(1).value())));
}

Result<Scratch> scratch_of(const Model& model, const Architecture& architecture, const Run& run,
                           const ContextLayout& layout) {
  auto exact = compute_scratch(model, architecture, run, layout);
  if (exact || exact.error().code != ErrorCode::unsupported) return exact;
  return closed_form_scratch(model, run, layout);
}

/// Parts that need the architecture; unknown ones stay unknown rather than zero.
Result<void> add_context(Footprint& result, const Model& model, const Architecture& architecture,
                         const Run& run, const Scratch* known_scratch) {
  const auto layout = context_layout(model, architecture, run);
  if (!layout) {
    if (layout.error().code != ErrorCode::unsupported) return tl::unexpected(layout.error());
    result.kv_cache = result.kv_active = result.state = result.compute = nobody_knows(layout.error().message);
    result.notes.push_back(layout.error().message +
                           "; weights are exact, the totals lack caches and scratch");
    return {};
  }
  const auto size = context_size(*layout, run.context_tokens);
  result.kv_cache = exactly(size.caches, "caches of each layer, by the architecture's rule");
  result.kv_active = exactly(size.active, "cells that hold tokens when the context is full");
  result.state = exactly(size.states, "recurrent state of each layer and sequence");
  auto scratch = known_scratch != nullptr ? Result<Scratch>(*known_scratch)
                                          : scratch_of(model, architecture, run, *layout);
  if (!scratch) return tl::unexpected(scratch.error());
  result.scratch = *std::move(scratch);
  result.compute = compute_part(result.scratch);
  note_checkpoints(result, *layout, run);
  return {};
}

/// The parts that are neither weights nor grow with use.
std::vector<const SizedPart*> steady_parts(const Footprint& f) {
  return {&f.kv_cache, &f.state, &f.compute, &f.output, &f.adapters, &f.projector, &f.draft, &f.runtime};
}

void add_totals(Footprint& f, const WeightResidency& weights) {
  f.file_backed = weights.file_backed;
  Bytes low = weights.anonymous, high = weights.anonymous;
  f.anonymous = weights.anonymous;
  for (const auto* part : steady_parts(f)) {
    f.anonymous += part->size;
    low += part->low;
    high += part->high;
  }
  f.total = f.anonymous + f.file_backed;
  f.low = low + f.file_backed;
  f.high = high + f.file_backed + f.prompt_cache.high;
}

}  // namespace

Result<Footprint> footprint(const Model& model, const Architecture& architecture, const Run& run,
                            const Residency& residency, const Scratch* known_scratch) {
  Footprint result;
  const auto repacked = residency.repack ? repacking(model, residency.isa) : Repacking{};
  result.weights = exactly(engine_weights_size(model), "each tensor padded to 32 bytes");
  result.repacked = exactly(repacked.copies, repacked.unit.empty() ? "nothing is repacked"
                                                                   : "copies laid out for " + repacked.unit);
  if (auto added = add_context(result, model, architecture, run, known_scratch); !added)
    return tl::unexpected(added.error());
  result.output = output_buffer(model, run);
  result.runtime = runtime_part(model);
  const Bytes cap = run.tool == Tool::server ? residency.prompt_cache_cap : Bytes(0);
  result.prompt_cache = {
      cap, Bytes(0), cap, Basis::assumed, "the server's cap (--cache-ram); it grows with use", true};
  for (auto* absent : {&result.adapters, &result.projector, &result.draft})
    *absent = exactly(Bytes(0), "none named");
  result.locked = residency.load_mode == LoadMode::mlock;
  add_totals(result, weight_residency(model, repacked, residency.load_mode));
  if (result.high.is_saturated())
    return fail(ErrorCode::overflow, "the model's sizes exceed 64 bits", "Its hyperparameters are damaged.");
  return result;
}

}  // namespace llmsize
