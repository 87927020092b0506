#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llmsize/core/result.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

// The sizing guides' own arithmetic (docs/METHOD.md, "The guide"): what `--method guide` computes, so that a
// reader of the guides can check it. llmsize's own answers never use it.

/// The guides' planning factors, from data/guide_factors.json.
struct GuideFactors {
  double size_overhead = 0;  ///< Factor "for metadata and KV cache" on a model's size.
  Bytes os_reserve;
  double safety_share = 0;  ///< Of all RAM.
  double hot_share = 0;     ///< Of what is left for models; the rest is the WARM budget.
  Bytes kv_bytes;           ///< KV cache of a 14B model for `kv_tokens` tokens.
  TokenCount kv_tokens;
  Bytes kv_hard_reset;  ///< The Editor's KV cache stays below this after a hard reset.
  Bytes framework_overhead;
  Bytes mock_below;  ///< Machines with less run mocks.
};

/// The multiplier of each quant that the guide prints, in bytes per weight, by file type id.
using GuideMultipliers = std::map<std::string, double, std::less<>>;

/// Parameters x multiplier x overhead: decimal gigabytes where parameters are counted in billions.
Bytes guide_model_size(ParamCount params, double multiplier, const GuideFactors& factors);

/// How memory is set apart before models get any.
struct MemoryBudget {
  Bytes total;
  Bytes os_reserve;
  Bytes safety;
  Bytes available;  ///< total - os_reserve - safety; negative where those exceed the machine.
  Bytes hot;        ///< The guide's share for models that are always resident: a default to show, not a law.
  Bytes warm;
};

/// The guide's budget calculator; scale-free apart from its fixed reserve for the system.
MemoryBudget guide_budget(Bytes total, const GuideFactors& factors);
/// The same split for another reserve and safety margin.
MemoryBudget split_budget(Bytes total, Bytes os_reserve, Bytes safety, const GuideFactors& factors);
/// min(the guide's reserve, RAM / 4): equals the guide from 64 GiB up and stays sensible below.
Bytes default_os_reserve(Bytes total, const GuideFactors& factors);

/// RAM that a machine needs more so that models get `extra` more: the safety margin keeps its share of all
/// RAM, and where the reserve follows the rule above (`reserve_by_rule`) it grows, too.
Bytes growth_for(const MemoryBudget& budget, Bytes extra, bool reserve_by_rule, const GuideFactors& factors);

/// KV cache by the guide's tax per token, whatever the model.
Bytes guide_kv_cache(TokenCount context, const GuideFactors& factors);
/// Tokens whose KV cache still fits `room` by that rule; 0 where there is none.
TokenCount guide_context_gate(Bytes room, const GuideFactors& factors);

/// The VRAM checklist: weights, KV cache at the gate and the framework against the card.
struct GuideVramCheck {
  Bytes weights, kv_cache, framework, total, headroom;
  [[nodiscard]] bool fits() const { return headroom >= Bytes(0); }
};
GuideVramCheck guide_vram_check(Bytes weights, TokenCount gate, Bytes capacity, const GuideFactors& factors);

/// A class of models by parameters, with its place in the pipeline.
struct SizeTier {
  std::string id;
  std::string name;
  std::optional<ParamCount> lowest;   ///< Unknown for tiers served by an API alone.
  std::optional<ParamCount> highest;  ///< Unknown where the tier is open upwards.
  std::string pipeline_role;
  std::string target;
  bool cloud = false;
};

/// "Editor", or "between Editor and Architect" for the sizes that the guide leaves out, or "below Micro".
/// Printed bounds are nominal sizes, so half a billion of rounding is allowed ("14B" models hold 14.8).
std::string size_tier_text(ParamCount params, const std::vector<SizeTier>& tiers);

}  // namespace llmsize
