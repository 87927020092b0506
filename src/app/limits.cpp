#include "llmsize/app/limits.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "llmsize/core/text.hpp"

namespace llmsize::app {
namespace {

/// The engine pads contexts to this many tokens.
constexpr std::int64_t block = 256;
constexpr std::int64_t most_tokens = std::numeric_limits<std::int32_t>::max();
/// Slots that llama-server has without -np.
constexpr std::int64_t default_slots = 4;

/// Keys, values and state of a run with `tokens` of context; nothing where they are unknown.
std::optional<Bytes> context_bytes(const Sizing& sizing, const RunRequest& base, std::int64_t tokens) {
  RunRequest request = base;
  request.context_tokens = tokens;
  const auto run = resolve_run(request, sizing.model, sizing.architecture);
  if (!run) return std::nullopt;
  const auto layout = context_layout(sizing.model, sizing.architecture, *run);
  if (!layout) return std::nullopt;
  const auto size = context_size(*layout, tokens);
  return size.caches + size.states;
}

/// The most blocks of context whose caches fit `budget`.
std::int64_t most_blocks(const Sizing& sizing, const RunRequest& request, Bytes budget) {
  std::int64_t low = 0, high = most_tokens / block;
  while (low < high) {
    const std::int64_t middle = low + (high - low + 1) / 2;
    const auto size = context_bytes(sizing, request, middle * block);
    const bool fits = size && *size <= budget;
    (fits ? low : high) = fits ? middle : middle - 1;
  }
  return low;
}

void add_gate(const EstimateOptions& options, SizedReport& sized) {
  if (!sized.sizing || !sized.report.footprint.kv_cache.known) return;
  ContextGate gate;
  gate.budget = *options.kv_budget;
  gate.source = "--kv-budget";
  gate.tokens = most_blocks(*sized.sizing, options.sizing.run, gate.budget) * block;
  const auto at = std::max(gate.tokens, block);
  const auto one = context_bytes(*sized.sizing, options.sizing.run, at);
  const auto two = context_bytes(*sized.sizing, options.sizing.run, std::min(2 * at, most_tokens));
  if (one && two) gate.bytes_per_token = Bytes((*two - *one).value() / at);
  gate.held = options.active_tokens.value_or(0);
  gate.left = std::max<std::int64_t>(0, gate.tokens - gate.held);
  gate.turn_tokens = options.turn_tokens.value_or(0);
  if (gate.turn_tokens > 0) gate.turns = gate.left / gate.turn_tokens;
  sized.report.gate = gate;
}

void add_stress(const EstimateOptions& options, SizedReport& sized) {
  if (!sized.sizing) return;
  auto& report = sized.report;
  StressCase stress;
  stress.slots = report.run.sequences;
  const auto per_slot =
      report.run.kv_unified ? report.run.context_tokens / report.run.sequences : report.run.sequence_context;
  stress.output_tokens = options.output_tokens.value_or(0);
  stress.input_tokens =
      options.input_tokens.value_or(std::max<std::int64_t>(0, per_slot - stress.output_tokens));
  stress.checkpoints = checkpoints_size(sized.sizing->context, report.run);
  stress.need = report.footprint.high + stress.checkpoints;
  report.stress = stress;
}

}  // namespace

Result<void> apply_stress(EstimateOptions& options) {
  if (!options.stress) {
    if (options.input_tokens || options.output_tokens)
      return fail(ErrorCode::usage, "--input-tokens and --output-tokens describe the case of --stress",
                  "Add --stress.");
    return {};
  }
  if (options.params) return fail(ErrorCode::usage, "--stress needs a model", "Name one with -m.");
  const auto per_slot = options.input_tokens.value_or(0) + options.output_tokens.value_or(0);
  if (per_slot == 0) return {};
  const auto slots = options.sizing.run.parallel.value_or(default_slots);
  const auto total = saturating_multiply(per_slot, slots);
  if (options.sizing.run.context_tokens && total > *options.sizing.run.context_tokens)
    return fail(ErrorCode::usage,
                fmt::format("{} slots of {} tokens exceed --ctx-size {}", slots, per_slot,
                            *options.sizing.run.context_tokens),
                fmt::format("-c {} holds them.", total));
  if (total > most_tokens)
    return fail(ErrorCode::usage, "the longest input and output exceed what the engine can count",
                "Give smaller --input-tokens and --output-tokens.");
  options.sizing.run.context_tokens = options.sizing.run.context_tokens.value_or(total);
  return {};
}

void add_limits(const EstimateOptions& options, SizedReport& sized) {
  if (options.kv_budget) add_gate(options, sized);
  if (options.stress) add_stress(options, sized);
}

}  // namespace llmsize::app
