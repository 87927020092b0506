#pragma once
#include <optional>
#include <string>
#include <vector>

namespace llmsize {

/// One quantity of a printed row beside what llmsize computes for it.
struct GuideCheck {
  std::string what;  ///< "exact size of qwen2.5-7b-instruct at Q4_K_M".
  std::string unit;
  std::optional<double> printed_low, printed_high;  ///< Equal where one number is printed.
  std::string printed_text;                         ///< Where words are printed.
  std::optional<double> computed;
  std::optional<double> computed_high;  ///< Where the answer is a range from `computed`.
  std::string computed_text;            ///< Where the answer is words.
  std::string unknown_because;          ///< Where there is no answer.
  std::string note;

  /// (computed - printed) / printed in percent; nothing where either is no single number.
  [[nodiscard]] std::optional<double> difference_percent() const;
  /// "below", "within", "partly within" or "above" a printed range; empty otherwise.
  [[nodiscard]] std::string place_in_range() const;
};

struct GuideRow {
  std::vector<std::string> cells;
  std::vector<GuideCheck> checks;
};

/// A table of one of the sizing guides with its place there.
struct GuideTable {
  std::string id, title, source, place, note;
  std::vector<std::string> columns;
  std::vector<GuideRow> rows;
};

struct GuideReport {
  std::vector<GuideTable> tables;
};

}  // namespace llmsize
