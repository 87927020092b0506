#include "llmsize/core/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

namespace llmsize {

namespace {

/// Distances of nothing to each beginning of `word`.
std::vector<std::size_t> first_row(std::string_view word) {
  std::vector<std::size_t> row(word.size() + 1);
  std::iota(row.begin(), row.end(), 0U);
  return row;
}

/// From the distances of a text to each beginning of `word` to those of the text with one byte more; `start`
/// is its distance to the empty beginning.
void add_byte(std::vector<std::size_t>& row, std::string_view word, char byte, std::size_t start) {
  std::size_t diagonal = row[0];
  row[0] = start;
  for (std::size_t j = 1; j <= word.size(); ++j) {
    const std::size_t above = row[j];
    row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (byte == word[j - 1] ? 0U : 1U)});
    diagonal = above;
  }
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  auto row = first_row(b);
  for (std::size_t i = 0; i < a.size(); ++i) add_byte(row, b, a[i], i + 1);
  return row.back();
}

std::size_t edit_distance_within(std::string_view word, std::string_view text) {
  auto row = first_row(word);
  std::size_t best = row.back();
  for (const char byte : text) {
    // A part may begin anywhere.
    add_byte(row, word, byte, 0);
    best = std::min(best, row.back());
  }
  return best;
}

std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const auto& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string folded_name(std::string_view text) {
  std::string out;
  for (const char c : lower_case(text))
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) out += c;
  return out;
}

std::string printable(std::string text, std::string_view kept) {
  // U+0080 to U+009F are C2 80 to C2 9F in UTF-8.
  constexpr unsigned char first_printable = 0x20, delete_character = 0x7f, lead = 0xc2, last_control = 0x9f;
  const auto code = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (code(i) == delete_character || (code(i) < first_printable && kept.find(text[i]) == kept.npos))
      text[i] = '?';
    if (code(i) == lead && i + 1 < text.size() && code(i + 1) > delete_character &&
        code(i + 1) <= last_control)
      text[i] = text[i + 1] = '?';
  }
  return text;
}

std::string size_text(Bytes size) {
  constexpr std::array units = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  auto amount = static_cast<double>(size.value());
  std::size_t unit = 0;
  while (std::abs(amount) >= 1024 && unit + 1 < units.size()) {
    amount /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", size.value()) : fmt::format("{:.2f} {}", amount, units[unit]);
}

std::string params_text(ParamCount params) {
  constexpr std::array units = {"", " K", " M", " B", " T"};
  auto amount = static_cast<double>(params.value());
  std::size_t unit = 0;
  while (amount >= 1000 && unit + 1 < units.size()) {
    amount /= 1000;
    ++unit;
  }
  return unit <= 2 ? fmt::format("{:.0f}{}", amount, units[unit])
                   : fmt::format("{:.2f}{}", amount, units[unit]);
}

std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  const std::size_t first = digits[0] == '-' ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

}  // namespace llmsize
