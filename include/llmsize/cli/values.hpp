#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "llmsize/core/result.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize::cli {

// Text on the command line -> quantities. Every function fails with ErrorCode::usage and a hint that shows a
// valid value; none accepts a sign, NaN, infinity, trailing text or a value that does not fit.

/// "24GiB", "24GB", "512MiB", "1.5TiB"; a bare number is GiB, as DIMM labels and `free -g` count.
Result<Bytes> parse_size(const std::string& text);
/// "8192" or "64k" (k = 1024) tokens, at least 1 and at most 2^31 - 1, as the engine counts them.
Result<std::int64_t> parse_tokens(const std::string& text);
/// A bare number is billions ("32", "0.5"); "270M", "1.5B", "1T" say their own unit. More than 10,000 billion
/// is refused.
Result<ParamCount> parse_params(const std::string& text);
/// A whole number from `lowest` to `highest`.
Result<std::int64_t> parse_count(const std::string& text, std::int64_t lowest, std::int64_t highest);
/// A finite decimal number from `lowest` to `highest`.
Result<double> parse_number(const std::string& text, double lowest, double highest);
/// The parts between commas; empty parts are refused.
Result<std::vector<std::string>> parse_list(const std::string& text);

}  // namespace llmsize::cli
