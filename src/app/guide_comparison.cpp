#include "llmsize/app/guide_comparison.hpp"
namespace llmsize::app {
std::optional<GuideComparison> guide_comparison(const Services&, const EstimateReport&) {
  return std::nullopt;
}
Result<Outcome> guide_estimate(const Services&, const EstimateOptions&) {
  return fail(ErrorCode::unsupported, "x");
}
}  // namespace llmsize::app
