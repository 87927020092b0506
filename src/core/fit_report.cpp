#include "llmsize/core/fit_report.hpp"

#include <charconv>
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

double worth_by_date(const std::string& released) {
  constexpr double months_to_double = 16, months_of_year = 12;
  constexpr int first_year = 2023, last_year = 2100;
  int year = 0, month = 0;
  const char* const end = released.data() + released.size();
  const auto read_year = std::from_chars(released.data(), end, year);
  if (read_year.ec != std::errc() || read_year.ptr == end || *read_year.ptr != '-') return 1;
  const auto read_month = std::from_chars(read_year.ptr + 1, end, month);
  const bool plausible = year >= first_year && year <= last_year && month >= 1 && month <= months_of_year;
  if (read_month.ec != std::errc() || !plausible) return 1;
  return std::exp2(((year - first_year) * months_of_year + (month - 1)) / months_to_double);
}

bool ranks_before(const FitRank& a, const FitRank& b) {
  if (a.scored != b.scored) return a.scored;
  if (a.value != b.value) return a.value > b.value;
  return a.released > b.released;
}

}  // namespace llmsize
