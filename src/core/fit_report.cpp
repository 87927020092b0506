#include "llmsize/core/fit_report.hpp"

#include <cmath>

namespace llmsize {

double equivalent_params(ParamCount total, std::optional<ParamCount> active) {
  const auto all = static_cast<double>(total.value());
  if (!active || active->value() <= 0 || *active > total) return all;
  return std::sqrt(all * static_cast<double>(active->value()));
}

double retained_quality(double loss) {
  return std::exp(-loss);
}

int size_class_of(double parameters) {
  constexpr double billion = 1e9;
  return parameters > 0
             ? static_cast<int>(std::floor(std::log(parameters / billion) / std::log(size_class_factor)))
             : 0;
}

bool ranks_before(const FitRank& a, const FitRank& b) {
  if (a.scored != b.scored) return a.scored;
  if (a.size_class != b.size_class) return a.size_class > b.size_class;
  if (a.released != b.released) return a.released > b.released;
  return a.value > b.value;
}

}  // namespace llmsize
