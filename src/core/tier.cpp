#include "llmsize/core/tier.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace llmsize {
namespace {

/// Firmware, graphics and the kernel take up to about this share of the modules' capacity before MemTotal.
constexpr double firmware_share = 0.04;

/// The least size at which memory is sold that lies at or above `gib`: a power of two, or three quarters of
/// one.
std::int64_t sold_size(std::int64_t gib) {
  std::int64_t size = 1;
  while (size < gib) size *= 2;
  return size >= 4 && size / 4 * 3 >= gib ? size / 4 * 3 : size;
}

const TierRule* rule_for(std::int64_t gib, const std::vector<TierRule>& rules) {
  const TierRule* best = nullptr;
  for (const auto& rule : rules)
    if (gib >= rule.lowest_gib && (best == nullptr || rule.lowest_gib >= best->lowest_gib)) best = &rule;
  return best;
}

}  // namespace

std::optional<Tier> tier_of(Bytes total, const std::vector<TierRule>& rules) {
  const std::int64_t gib = std::max<std::int64_t>(0, total.value() / gibibytes(1).value());
  const TierRule* rule = rule_for(gib, rules);
  if (rule == nullptr) return std::nullopt;
  Tier tier{*rule, gib, {}};
  // The guide's script and its table of configurations disagree about 64, 128, 256 and 512.
  for (const auto& other : rules)
    if (gib > 0 && other.configuration_gib == gib && other.id != rule->id)
      tier.note =
          fmt::format("the guide's table of configurations calls {} GB {}, its script {}, which counts here",
                      gib, other.name, rule->name);
  constexpr std::int64_t largest_machine_gib = std::int64_t{1} << 20;
  if (gib > largest_machine_gib) return tier;
  const std::int64_t sold = sold_size(gib + 1);
  const TierRule* of_label = rule_for(sold, rules);
  const bool is_label = static_cast<double>(sold - gib) <= static_cast<double>(sold) * firmware_share + 1;
  if (is_label && of_label != rule)
    tier.note = fmt::format(
        "a \"{} GB\" machine reports {} GiB after firmware and kernel, and the tier goes by what is "
        "reported: {}, not {}",
        sold, gib, rule->name, of_label->name);
  return tier;
}

}  // namespace llmsize
