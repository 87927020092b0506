#include "llmsize/core/guide_report.hpp"

namespace llmsize {

std::optional<double> GuideCheck::difference_percent() const {
  if (!printed_low || printed_low != printed_high || !computed || computed_high || *printed_low == 0)
    return std::nullopt;
  constexpr double percent = 100;
  return percent * (*computed - *printed_low) / *printed_low;
}

std::string GuideCheck::place_in_range() const {
  if (!printed_low || !printed_high || printed_low == printed_high || !computed) return "";
  const double high = computed_high.value_or(*computed);
  if (high < *printed_low) return "below";
  if (*computed > *printed_high) return "above";
  return *computed >= *printed_low && high <= *printed_high ? "within" : "partly within";
}

}  // namespace llmsize
