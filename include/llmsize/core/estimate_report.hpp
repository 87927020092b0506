#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "llmsize/core/footprint.hpp"
#include "llmsize/core/model.hpp"
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
  std::string next_step;        ///< The flag to change next, as a clause.
  std::vector<Tensor> tensors;  ///< With final types, for --explain; empty for bare parameters.
  std::vector<CachedLayer> context;
  std::vector<std::string> notes;
};

}  // namespace llmsize
