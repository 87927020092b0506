#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "llmsize/core/estimate_report.hpp"

namespace llmsize {

/// What `llmsize fit` sorts by.
enum class FitOrder { size, score };

/// A benchmark result that several models share, so that it can compare them.
struct SharedScore {
  double value = 0;  ///< 0 to 1.
  std::string benchmark;
  std::string source;
};

/// How good a model at a quant is taken to be: shared scores first, then by equivalent parameters.
struct FitRank {
  bool scored = false;   ///< `value` comes from a shared benchmark.
  double value = 0;      ///< The score, or equivalent parameters; times what the quant keeps.
  std::string released;  ///< Date, its beginning or nothing.
};

/// Models whose equivalent parameters are within this factor are of one class of size.
inline constexpr double size_class_factor = 1.5;
/// The class of a size: whole powers of the factor, counted from a billion.
int size_class_of(double parameters);

/// How many parameters of January 2023 one of a model released on a date (YYYY-MM or YYYY-MM-DD) is taken to
/// be worth: twice as many every 16 months; 1 where the date is unknown. (Ho et al., arXiv:2403.05812: the
/// compute for a given quality halves every 8 months; Hoffmann et al., arXiv:2203.15556: the best number of
/// parameters grows with the square root of compute.)
double worth_by_date(const std::string& released);
/// Whether `a` comes before `b`.
bool ranks_before(const FitRank& a, const FitRank& b);

/// The parameters of a dense model that a mixture of experts is taken to equal: the geometric mean of all and
/// active parameters, a rule of thumb. Dense models equal themselves.
double equivalent_params(ParamCount total, std::optional<ParamCount> active);

/// The part of a model's likelihood per token that quantizing with a mean divergence of `loss` nats keeps.
double retained_quality(double loss);

/// One model that runs, at the quant chosen for it.
struct FitRow {
  EstimateReport estimate;  ///< Without tensors.
  std::string family;       ///< Empty where nothing states it.
  std::string license;      ///< The same.
  std::string released;     ///< The same.
  FitRank rank;
  std::optional<SharedScore> score;
};

/// Everything `llmsize fit` answers.
struct FitReport {
  std::vector<FitRow> rows;  ///< Best first.
  FitOrder order = FitOrder::size;
  bool local = false;           ///< Files on this disk, not the catalog.
  std::size_t considered = 0;   ///< Models that the filters left.
  bool more = false;            ///< Rows may have been left out by the limit.
  bool speeds_unknown = false;  ///< A lowest speed was asked for, and no device's speed is known.
  bool budget_named = false;
  std::string bound_by;
  Fact<Bytes> budget;
  std::string next_step;  ///< The flag to change next, as a clause.
  std::vector<std::string> notes;
};

}  // namespace llmsize
