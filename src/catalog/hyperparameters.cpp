#include "llmsize/catalog/hyperparameters.hpp"

#include <limits>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace llmsize::catalog {
namespace {

/// Longer lists are no per-layer values: the engine stops at 512 layers.
constexpr std::size_t most_values = 4096;

std::optional<std::int64_t> whole_number(const nlohmann::json& value) {
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  if (value.is_number_unsigned() &&
      value.get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return std::nullopt;
  return value.is_number_integer() ? std::optional(value.get<std::int64_t>()) : std::nullopt;
}

std::optional<Hyperparameters::Value> read_list(const nlohmann::json& list) {
  if (list.size() > most_values) return std::nullopt;
  std::vector<std::int64_t> whole;
  std::vector<double> real;
  for (const auto& value : list) {
    if (const auto number = whole_number(value)) whole.push_back(*number);
    if (value.is_number()) real.push_back(value.get<double>());
  }
  if (whole.size() == list.size()) return whole;
  if (real.size() == list.size()) return real;
  return std::nullopt;
}

std::optional<Hyperparameters::Value> read_value(const nlohmann::json& value) {
  if (const auto number = whole_number(value)) return *number;
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) return read_list(value);
  return std::nullopt;
}

}  // namespace

Result<Hyperparameters> read_hyperparameters(const nlohmann::json& object) {
  if (!object.is_object()) return fail(ErrorCode::malformed, "hyperparameters must be an object");
  Hyperparameters out;
  for (const auto& [key, value] : object.items()) {
    if (value.is_null()) continue;
    auto read = read_value(value);
    if (!read)
      return fail(ErrorCode::malformed,
                  fmt::format("\"{}\" must be a number, a text, true or false, or a list of numbers", key));
    out.set(key, *std::move(read));
  }
  return out;
}

}  // namespace llmsize::catalog
