#include "llmsize/cli/values.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace llmsize::cli {
namespace {

/// Parameters beyond this many are a slip of the unit: the largest published models have about 2,000 billion.
constexpr double highest_params_billions = 10'000;
constexpr double billion = 1e9;

struct Unit {
  std::string_view suffix;
  double factor;
};

constexpr std::array size_units = {Unit{"", 1024.0 * 1024 * 1024},
                                   Unit{"b", 1.0},
                                   Unit{"kb", 1e3},
                                   Unit{"mb", 1e6},
                                   Unit{"gb", 1e9},
                                   Unit{"tb", 1e12},
                                   Unit{"kib", 1024.0},
                                   Unit{"mib", 1024.0 * 1024},
                                   Unit{"gib", 1024.0 * 1024 * 1024},
                                   Unit{"tib", 1024.0 * 1024 * 1024 * 1024},
                                   Unit{"k", 1024.0},
                                   Unit{"m", 1024.0 * 1024},
                                   Unit{"g", 1024.0 * 1024 * 1024},
                                   Unit{"t", 1024.0 * 1024 * 1024 * 1024}};
constexpr std::array token_units = {Unit{"", 1.0}, Unit{"k", 1024.0}, Unit{"m", 1024.0 * 1024}};
constexpr std::array param_units = {Unit{"", 1e9}, Unit{"k", 1e3}, Unit{"m", 1e6}, Unit{"b", 1e9},
                                    Unit{"t", 1e12}};

/// An unsigned decimal number at the start of `text`, and what follows it in lower case.
std::optional<std::pair<double, std::string>> number_and_suffix(const std::string& text) {
  if (text.empty() || !(std::isdigit(static_cast<unsigned char>(text[0])) || text[0] == '.'))
    return std::nullopt;
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || !std::isfinite(value)) return std::nullopt;
  std::string suffix;
  for (const char* at = parsed.ptr; at != text.data() + text.size(); ++at)
    if (*at != ' ') suffix += static_cast<char>(std::tolower(static_cast<unsigned char>(*at)));
  return std::pair(value, suffix);
}

/// The number times its unit, or nothing where the text is no number with one of `units`.
template <std::size_t N>
std::optional<double> in_units(const std::string& text, const std::array<Unit, N>& units) {
  const auto parts = number_and_suffix(text);
  if (!parts) return std::nullopt;
  const auto unit =
      std::find_if(units.begin(), units.end(), [&](const Unit& u) { return u.suffix == parts->second; });
  if (unit == units.end()) return std::nullopt;
  return parts->first * unit->factor;
}

constexpr double highest_integer = 9.2e18;

}  // namespace

Result<Bytes> parse_size(const std::string& text) {
  const auto bytes = in_units(text, size_units);
  if (!bytes || *bytes < 1 || *bytes > highest_integer)
    return fail(ErrorCode::usage, fmt::format("\"{}\" is not a memory size", text),
                "Write 24GiB, 24GB or 512MiB; a bare 24 is GiB.");
  return Bytes(static_cast<std::int64_t>(std::llround(*bytes)));
}

Result<std::int64_t> parse_tokens(const std::string& text) {
  const auto tokens = in_units(text, token_units);
  if (!tokens || *tokens < 1 || *tokens > std::numeric_limits<std::int32_t>::max() ||
      *tokens != std::floor(*tokens))
    return fail(ErrorCode::usage, fmt::format("\"{}\" is not a number of tokens", text),
                "Write a whole number from 1 to 2147483647, or 64k for 65536.");
  return static_cast<std::int64_t>(*tokens);
}

Result<ParamCount> parse_params(const std::string& text) {
  const auto params = in_units(text, param_units);
  if (!params || *params < 1)
    return fail(ErrorCode::usage, fmt::format("\"{}\" is not a number of parameters", text),
                "A bare number is billions: --params 32. 270M and 1.5B work too.");
  if (*params > highest_params_billions * billion)
    return fail(
        ErrorCode::usage,
        fmt::format("{} means {:.0f} billion parameters, more than any model has", text, *params / billion),
        "A bare number is billions: for 32 billion write 32 or 32B, not 32000000000.");
  return ParamCount(static_cast<std::int64_t>(std::llround(*params)));
}

Result<std::int64_t> parse_count(const std::string& text, std::int64_t lowest, std::int64_t highest) {
  std::int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || value < lowest ||
      value > highest)
    return fail(ErrorCode::usage,
                fmt::format("\"{}\" is not a whole number from {} to {}", text, lowest, highest));
  return value;
}

Result<double> parse_number(const std::string& text, double lowest, double highest) {
  const auto parts = number_and_suffix(text);
  if (!parts || !parts->second.empty() || parts->first < lowest || parts->first > highest)
    return fail(ErrorCode::usage, fmt::format("\"{}\" is not a number from {} to {}", text, lowest, highest));
  return parts->first;
}

Result<std::vector<std::string>> parse_list(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (;;) {
    const std::size_t comma = text.find(',', begin);
    parts.push_back(text.substr(begin, comma == std::string::npos ? comma : comma - begin));
    if (parts.back().empty())
      return fail(ErrorCode::usage, fmt::format("\"{}\" has an empty part", text), "Write a,b,c.");
    if (comma == std::string::npos) return parts;
    begin = comma + 1;
  }
}

}  // namespace llmsize::cli
