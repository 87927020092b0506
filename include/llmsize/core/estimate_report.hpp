#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "llmsize/core/acceleration.hpp"
#include "llmsize/core/footprint.hpp"
#include "llmsize/core/model.hpp"
#include "llmsize/core/paging.hpp"
#include "llmsize/core/quantize.hpp"
#include "llmsize/core/run.hpp"

namespace llmsize {

/// Which model was sized, without its tensors.
struct ModelIdentity {
  std::string id;
  std::string name;
  std::string architecture;  ///< Empty where only parameters are known.
  ModelSource source = ModelSource::catalog;
  std::string origin;  ///< What the user named.
  ParamCount total_params;
  std::optional<ParamCount> active_params;
};

/// What lies on disk.
struct ArtifactReport {
  std::string quant;  ///< File type id; "as in the file" types carry the file's own.
  SizedPart tensors;  ///< Sum of tensor data.
  SizedPart file;     ///< Whole file with header.
  std::map<std::string, std::int64_t> count_by_type;
  std::map<std::string, Bytes> bytes_by_type;
  double bits_per_weight = 0;  ///< 8 * tensors / parameters; for display.
};

/// What the sizing guide's rule of thumb would have said.
struct GuideComparison {
  Bytes size;                     ///< Parameters (billions) * multiplier * 1.1, in decimal GB.
  double difference_percent = 0;  ///< (guide - exact) / exact, against weights + KV at the run's context.
};

/// Decode or prompt speed with its honest range.
struct SpeedRange {
  TokensPerSecond low, mid, high;
  Basis basis = Basis::derived;
  std::string source;
};

/// What --solve would answer with one flag changed.
struct OtherSolution {
  std::string flag;   ///< "--cache-ram 0".
  std::string value;  ///< As in Solution.
};

/// The published loss of a file type (data/quality.json).
struct QuantLoss {
  double kl_divergence = 0;  ///< Nats.
  std::string source;
};

/// The largest setting that fits a budget (--solve), and what the next one lacks.
struct Solution {
  std::string quantity;       ///< "context", "parallel", "quant" or "gpu-layers".
  std::string value;          ///< Empty where not even the least setting fits.
  std::string next;           ///< The next larger setting; empty where there is none.
  Bytes next_shortfall;       ///< What it lacks, in the memory that bounds it.
  std::string next_bound_by;  ///< That memory's limit.
  std::string most;           ///< Why there is no larger one: "the trained context".
  bool paging = false;        ///< Paging weights from disk counted as fitting (--require runs).
  std::vector<OtherSolution> others;
  std::optional<QuantLoss> loss;  ///< Of `value`, where that is a file type and someone published it.
};

/// How far a conversation can go in a KV cache budget (--kv-budget).
struct ContextGate {
  Bytes budget;
  std::string source;            ///< "--kv-budget", or the limit whose room is left.
  std::int64_t tokens = 0;       ///< The most that the budget holds, in whole blocks of the engine's.
  Bytes bytes_per_token;         ///< What one more token costs, caches that stop growing left out.
  std::int64_t held = 0;         ///< Tokens in the conversation so far.
  std::int64_t left = 0;         ///< tokens - held, at least 0.
  std::int64_t turn_tokens = 0;  ///< A question with its answer.
  std::int64_t turns = 0;        ///< Whole turns that are left.
};

/// Every slot at its longest input and output (--stress).
struct StressCase {
  std::int64_t slots = 0;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  Bytes checkpoints;  ///< All that the server may keep, at their largest.
  Bytes need;         ///< The footprint's high and the checkpoints.
};

/// Routed experts that a token takes of each layer's, where a model has any.
struct ExpertUse {
  std::int64_t used = 0, count = 0;
};

/// Everything `llmsize estimate` answers; rendered as text, JSON or Markdown.
struct EstimateReport {
  ModelIdentity model;
  Run run;
  Residency residency;
  ArtifactReport artifact;
  Footprint footprint;
  Verdict verdict;
  bool budget_named = false;  ///< The user gave the budget, so that not fitting is exit status 3.
  std::optional<GuideComparison> guide;
  std::optional<SpeedRange> decode_speed;
  std::optional<SpeedRange> prompt_speed;
  std::string speed_unknown_because;
  std::optional<std::int64_t> speed_depth;       ///< Tokens before the one that `decode_speed` is of.
  std::optional<ExpertUse> speed_experts;        ///< What it takes of the experts.
  std::optional<StorageReads> storage;           ///< Where weights page.
  std::vector<AccelerationMethod> acceleration;  ///< Those that concern this model and run.
  std::string next_step;                         ///< The flag to change next, as a clause.
  std::vector<Tensor> tensors;  ///< With final types, for --explain; empty for bare parameters.
  std::vector<CachedLayer> context;
  std::optional<Solution> solution;
  std::optional<ContextGate> gate;
  std::optional<StressCase> stress;
  std::vector<std::string> notes;
};

}  // namespace llmsize
