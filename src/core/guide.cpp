#include "llmsize/core/guide.hpp"

#include <algorithm>
#include <cmath>

namespace llmsize {
namespace {

Bytes scaled(Bytes size, double factor) {
  const double product = static_cast<double>(size.value()) * factor;
  // 2^63 as a double: the first value that does not fit.
  constexpr double limit = 9223372036854775808.0;
  if (!(product < limit)) return Bytes(Bytes::highest);
  if (!(product > -limit)) return Bytes(std::numeric_limits<std::int64_t>::min());
  return Bytes(static_cast<std::int64_t>(std::llround(product)));
}

/// The name on a model's card rounds: a "7B" holds 7.6, a "14B" 14.8 billion. Names are what the guide's
/// ranges are about, so a bound stretches by less than one billion above, and by rounding below.
bool within(ParamCount params, const SizeTier& tier) {
  constexpr ParamCount card_rounding(1'000'000'000);
  constexpr ParamCount half(500'000'000);
  const bool large = tier.lowest->value() >= 1'000'000'000;
  if (params < (large ? *tier.lowest - half : *tier.lowest)) return false;
  return !tier.highest || params < *tier.highest + card_rounding;
}

}  // namespace

Bytes guide_model_size(ParamCount params, double multiplier, const GuideFactors& factors) {
  return scaled(Bytes(params.value()), multiplier * factors.size_overhead);
}

MemoryBudget split_budget(Bytes total, Bytes os_reserve, Bytes safety, const GuideFactors& factors) {
  MemoryBudget budget;
  budget.total = total;
  budget.os_reserve = os_reserve;
  budget.safety = safety;
  budget.available = total - os_reserve - safety;
  budget.hot = scaled(budget.available, factors.hot_share);
  budget.warm = budget.available - budget.hot;
  return budget;
}

MemoryBudget guide_budget(Bytes total, const GuideFactors& factors) {
  return split_budget(total, factors.os_reserve, scaled(total, factors.safety_share), factors);
}

Bytes default_os_reserve(Bytes total, const GuideFactors& factors) {
  constexpr std::int64_t smallest_share = 4;
  return std::min(factors.os_reserve, Bytes(total.value() / smallest_share));
}

Bytes guide_kv_cache(TokenCount context, const GuideFactors& factors) {
  return scaled(factors.kv_bytes,
                static_cast<double>(context.value()) / static_cast<double>(factors.kv_tokens.value()));
}

TokenCount guide_context_gate(Bytes room, const GuideFactors& factors) {
  if (room <= Bytes(0) || factors.kv_bytes <= Bytes(0)) return TokenCount(0);
  const double tokens = static_cast<double>(room.value()) / static_cast<double>(factors.kv_bytes.value()) *
                        static_cast<double>(factors.kv_tokens.value());
  return TokenCount(scaled(Bytes(1), std::floor(tokens)).value());
}

GuideVramCheck guide_vram_check(Bytes weights, TokenCount gate, Bytes capacity, const GuideFactors& factors) {
  GuideVramCheck check;
  check.weights = weights;
  check.kv_cache = guide_kv_cache(gate, factors);
  check.framework = factors.framework_overhead;
  check.total = check.weights + check.kv_cache + check.framework;
  check.headroom = capacity - check.total;
  return check;
}

std::string size_tier_text(ParamCount params, const std::vector<SizeTier>& tiers) {
  const SizeTier* below = nullptr;
  for (const auto& tier : tiers) {
    if (!tier.lowest) continue;
    if (within(params, tier)) return tier.name;
    if (params >= *tier.lowest) {
      below = &tier;
      continue;
    }
    return below == nullptr ? "below " + tier.name : "between " + below->name + " and " + tier.name;
  }
  return below == nullptr ? "unknown" : "above " + below->name;
}

}  // namespace llmsize
