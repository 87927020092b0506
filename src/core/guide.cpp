#include "llmsize/core/guide.hpp"

#include <algorithm>
#include <cmath>

namespace llmsize {
namespace {

/// Small machines keep a quarter of their RAM for the system.
constexpr std::int64_t reserve_divisor = 4;

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
  return std::min(factors.os_reserve, Bytes(total.value() / reserve_divisor));
}

Bytes growth_for(const MemoryBudget& budget, Bytes extra, bool reserve_by_rule, const GuideFactors& factors) {
  const auto total = static_cast<double>(budget.total.value());
  const auto wanted = static_cast<double>(extra.value());
  if (total <= 0 || wanted <= 0) return Bytes(0);
  const double for_models = 1 - static_cast<double>(budget.safety.value()) / total;
  // Up to here the reserve takes its share of every byte that is added.
  const double fixed_from =
      reserve_by_rule ? reserve_divisor * static_cast<double>(factors.os_reserve.value()) : 0;
  const double below = std::max(0.0, fixed_from - total);
  const double share_below = for_models - 1.0 / reserve_divisor;
  if (for_models <= 0 || (below > 0 && share_below <= 0)) return Bytes(Bytes::highest);
  const double gained_below = below * share_below;
  const double growth =
      wanted <= gained_below ? wanted / share_below : below + (wanted - gained_below) / for_models;
  return Bytes(static_cast<std::int64_t>(std::ceil(growth)));
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
