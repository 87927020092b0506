#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "llmsize/core/fact.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/core/tensor.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

struct Architecture;
class Hyperparameters;
struct Model;

/// Which of the engine's programs is sized: it decides how many tokens of a micro-batch may output logits.
enum class Tool { server, bench };
enum class FlashAttention { automatic, on, off };

/// What the user asked for, in llama-server's terms. Absent members take llama-server's defaults in
/// `resolve_run`.
struct RunRequest {
  std::optional<std::int64_t> context_tokens;  ///< -c; default min(8192, trained context).
  std::optional<std::int64_t> batch_tokens;    ///< -b; default 2048.
  std::optional<std::int64_t> ubatch_tokens;   ///< -ub; default 512.
  std::optional<std::int64_t> parallel;        ///< -np; default 4 slots sharing one cache.
  std::optional<bool> kv_unified;              ///< default: unified exactly when -np is absent.
  TensorType cache_type_k = tensor_type::f16;
  TensorType cache_type_v = tensor_type::f16;
  FlashAttention flash_attention = FlashAttention::automatic;
  bool swa_full = false;
  Tool tool = Tool::server;
  std::int64_t draft_tokens = 0;  ///< Speculative tokens per slot that also output logits.
  bool embeddings = false;        ///< --embedding: every token of a batch may be an output.
  friend bool operator==(const RunRequest&, const RunRequest&) = default;
};

/// A run with every default applied and every size padded as the engine pads it.
struct Run {
  Tool tool = Tool::server;
  std::int64_t context_tokens = 0;    ///< -c as given or defaulted.
  std::int64_t padded_context = 0;    ///< n_ctx: context_tokens padded to 256.
  std::int64_t sequence_context = 0;  ///< n_ctx_seq: cells per stream.
  std::int64_t streams = 1;           ///< 1 when unified, else one per sequence.
  std::int64_t sequences = 1;         ///< n_seq_max.
  bool kv_unified = true;
  std::int64_t batch_tokens = 2048;
  std::int64_t ubatch_tokens = 512;  ///< min(-ub, -b, n_ctx).
  std::int64_t prompt_tokens =
      512;  ///< Tokens of the reserved prompt graph: min(n_ctx, ubatch) rounded up to sequences.
  std::int64_t output_rows = 1;  ///< Logit rows of the reserved prompt graph.
  bool embeddings = false;       ///< The server answers with embeddings.
  TensorType cache_type_k = tensor_type::f16;
  TensorType cache_type_v = tensor_type::f16;
  bool flash_attention = true;  ///< As resolved: `auto` is on, except where the architecture forbids it.
  bool swa_full = false;
  std::vector<std::string> notes;
};

/// llmsize's own default context (docs/METHOD.md, "The run"): the engine would take the trained context and
/// shrink it until it fits, which depends on the machine.
inline constexpr std::int64_t default_context = 8192;

/// llama-server's slots without -np (llama.cpp v0.5.0, its --help); they share one cache.
inline constexpr std::int64_t default_slots = 4;

/// The default where a model is known: no more than it was trained for.
std::int64_t default_context_for(const Hyperparameters& hyperparameters);

/// The engine's own ceiling on sequences, and so on slots (LLAMA_MAX_SEQ, llama.cpp v0.5.0).
inline constexpr std::int64_t most_sequences = 256;

/// Applies llama-server's defaults and the engine's rules (docs/METHOD.md, "The run").
/// Errors: usage for counts that are not positive or too large, refused_by_engine for combinations the engine
/// rejects.
Result<Run> resolve_run(const RunRequest& request, const Model& model, const Architecture& architecture);

}  // namespace llmsize
