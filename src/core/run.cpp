#include "llmsize/core/run.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "llmsize/core/architecture.hpp"
#include "llmsize/core/model.hpp"

namespace llmsize {
namespace {

// llama-server's defaults (llama.cpp v0.5.0, its --help): -b 2048, -ub 512, and without -np `default_slots`
// that share one cache.
constexpr std::int64_t default_batch = 2048;
constexpr std::int64_t default_ubatch = 512;
// The engine keeps every context in multiples of this many cells.
constexpr std::int64_t context_padding = 256;
// The engine's counts are signed 32-bit on its command line.
constexpr std::int64_t most_tokens = std::numeric_limits<std::int32_t>::max() - context_padding;

std::int64_t pad_context(std::int64_t tokens) {
  return align_up(Bytes(tokens), context_padding).value();
}

Result<std::int64_t> count(const std::optional<std::int64_t>& given, std::int64_t otherwise, const char* flag,
                           std::int64_t most) {
  const auto value = given.value_or(otherwise);
  if (value < 1)
    return fail(ErrorCode::usage, fmt::format("{} {}: must be at least 1", flag, value),
                fmt::format("Give {} a positive number.", flag));
  if (value > most)
    return fail(ErrorCode::usage, fmt::format("{} {}: the engine takes at most {}", flag, value, most),
                fmt::format("Give {} a smaller number.", flag));
  return value;
}

/// The head sizes that occur in the model, for keys or for values.
std::vector<std::int64_t> head_sizes(const Hyperparameters& hyperparameters, bool keys) {
  std::vector<std::int64_t> sizes{keys ? hyperparameters.key_length() : hyperparameters.value_length()};
  if (const auto windowed =
          hyperparameters.integer(keys ? "attention.key_length_swa" : "attention.value_length_swa"))
    sizes.push_back(*windowed);
  return sizes;
}

Result<void> check_head_sizes(const Hyperparameters& hyperparameters, bool keys, const TensorType& type) {
  if (!type.is_quantized()) return {};
  for (const auto size : head_sizes(hyperparameters, keys))
    if (!type.divides(size))
      return fail(
          ErrorCode::refused_by_engine,
          fmt::format("{} cache type {}: its blocks of {} do not divide the head size {}", keys ? "K" : "V",
                      type.name(), type.layout().elements, size),
          fmt::format("Use --cache-type-{} f16, or a type whose block divides {}.", keys ? "k" : "v", size));
  return {};
}

Result<void> check_cache_types(const Run& run, const Hyperparameters& hyperparameters) {
  if (run.cache_type_v.is_quantized() && !run.flash_attention)
    return fail(ErrorCode::refused_by_engine,
                fmt::format("V cache type {} needs flash attention, which is off for this run",
                            run.cache_type_v.name()),
                "Use --flash-attn on where the architecture allows it, or --cache-type-v f16.");
  const bool latent = hyperparameters.integer("attention.key_length_mla").has_value() &&
                      hyperparameters.integer("attention.value_length_mla").has_value();
  if (latent && !(run.cache_type_k == run.cache_type_v))
    return fail(ErrorCode::refused_by_engine,
                fmt::format("cache types {} and {} differ, but this model keeps K and V in one latent cache",
                            run.cache_type_k.name(), run.cache_type_v.name()),
                "Give --cache-type-k and --cache-type-v the same type.");
  if (auto checked = check_head_sizes(hyperparameters, true, run.cache_type_k); !checked) return checked;
  return check_head_sizes(hyperparameters, false, run.cache_type_v);
}

void resolve_streams(Run& run) {
  const auto whole = pad_context(run.context_tokens);
  if (run.kv_unified) {
    run.streams = 1;
    run.sequence_context = whole;
    run.padded_context = whole;
    return;
  }
  run.streams = run.sequences;
  run.sequence_context = pad_context(std::max<std::int64_t>(1, whole / run.sequences));
  run.padded_context = run.sequence_context * run.sequences;
  if (run.padded_context != whole)
    run.notes.push_back(fmt::format("{} tokens over {} slots become {} tokens per slot: the engine pads each",
                                    run.context_tokens, run.sequences, run.sequence_context));
}

std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

std::int64_t default_context_for(const Hyperparameters& hyperparameters) {
  const auto trained = hyperparameters.context_length();
  return trained > 0 ? std::min(default_context, trained) : default_context;
}

Result<Run> resolve_run(const RunRequest& request, const Model& model, const Architecture& architecture) {
  const auto& hyperparameters = model.hyperparameters;
  const auto context =
      count(request.context_tokens, default_context_for(hyperparameters), "--ctx-size", most_tokens);
  if (!context) return tl::unexpected(context.error());
  const auto batch = count(request.batch_tokens, default_batch, "--batch-size", most_tokens);
  if (!batch) return tl::unexpected(batch.error());
  const auto ubatch = count(request.ubatch_tokens, default_ubatch, "--ubatch-size", most_tokens);
  if (!ubatch) return tl::unexpected(ubatch.error());
  const auto slots = count(request.parallel, default_slots, "--parallel", most_sequences);
  if (!slots) return tl::unexpected(slots.error());
  if (request.draft_tokens < 0 || request.draft_tokens > most_tokens)
    return fail(ErrorCode::usage, fmt::format("--draft-max {}: out of range", request.draft_tokens),
                "Give the number of draft tokens per slot.");

  Run run;
  run.tool = request.tool;
  run.context_tokens = *context;
  run.sequences = *slots;
  run.kv_unified = request.kv_unified.value_or(!request.parallel.has_value());
  run.cache_type_k = request.cache_type_k;
  run.cache_type_v = request.cache_type_v;
  run.swa_full = request.swa_full;
  resolve_streams(run);

  run.batch_tokens = std::min(*batch, run.context_tokens);
  run.ubatch_tokens = std::min(*ubatch, run.batch_tokens);
  run.prompt_tokens = round_up(std::min(run.padded_context, run.ubatch_tokens), run.sequences);
  // A program that sets no limit may output logits for every token of the micro-batch.
  run.embeddings = request.embeddings;
  run.output_rows = run.tool == Tool::bench || run.embeddings
                        ? run.prompt_tokens
                        : std::min({run.batch_tokens, run.prompt_tokens,
                                    saturating_multiply(run.sequences, 1 + request.draft_tokens)});

  run.flash_attention = request.flash_attention != FlashAttention::off;
  if (run.flash_attention && !architecture.cache.flash_attention) {
    run.flash_attention = false;
    run.notes.push_back(
        fmt::format("flash attention is off: the engine does not use it for {}", model.architecture));
  }
  if (auto checked = check_cache_types(run, hyperparameters); !checked)
    return tl::unexpected(checked.error());

  if (const auto trained = hyperparameters.context_length();
      trained > 0 && run.sequence_context > pad_context(trained))
    run.notes.push_back(fmt::format("context of {} tokens is beyond the {} the model was trained for",
                                    run.sequence_context, trained));
  return run;
}

}  // namespace llmsize
