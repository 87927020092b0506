#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace llmsize {

/// A way to decode faster than one token per pass, with what others measured. Factors of different methods
/// must not be multiplied: they compete for the same idle compute.
struct AccelerationMethod {
  std::string id;
  std::string name;
  std::string family;  ///< "speculative", "prompt_lookup", "expert_reduction".
  double low = 1, mid = 1, high = 1;
  std::string hardware, task, baseline, note, source;
  bool lossy = false;          ///< Changes the answers.
  bool weak_baseline = false;  ///< The baseline used less than a quarter of its bandwidth.
  /// What a model and its run must be: "next_token_layers", "dense", "experts", "gpu", "cpu".
  std::vector<std::string> needs;
};

/// What decides which methods concern a run.
struct AccelerationSubject {
  bool next_token_layers = false;
  bool experts = false;
  bool on_gpu = false;  ///< All layers are on devices.
};
/// Whether the subject has everything that the method needs; an unknown need is never met.
bool applies(const AccelerationMethod& method, const AccelerationSubject& subject);

/// Expected tokens per verification pass when each of `draft_tokens` is accepted with probability
/// `acceptance`, up to the first that is not: (1 - a^(K+1)) / (1 - a). (Leviathan et al., arXiv:2211.17192.)
double expected_tokens(double acceptance, int draft_tokens);

/// Speed relative to plain decoding. `verify_cost` is the time of verifying K+1 tokens and `draft_cost` that
/// of drafting one, both in units of one plain token.
double speculative_speed_up(double acceptance, int draft_tokens, double verify_cost, double draft_cost);

/// Routed experts of a layer that verifying `draft_tokens` + 1 tokens touches, when each takes `used` of
/// `count` independently: n (1 - (1 - k/n)^(K+1)).
double experts_touched(std::int64_t count, std::int64_t used, int draft_tokens);

/// Below this share of the memory bandwidth a baseline is too slow for its speed-up to mean much.
inline constexpr double weak_baseline_efficiency = 0.25;

}  // namespace llmsize
