#include "llmsize/gguf/shards.hpp"

#include <charconv>
#include <string_view>

#include <fmt/format.h>

namespace llmsize::gguf {
namespace {

constexpr std::size_t digits = 5;

std::optional<int> five_digits(std::string_view text) {
  int value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
  return whole && text.size() == digits && text.front() != '-' ? std::optional(value) : std::nullopt;
}

}  // namespace

std::string ShardName::path(int other_number) const {
  return fmt::format("{}-{:05}-of-{:05}.gguf", prefix, other_number, count);
}

std::optional<ShardName> parse_shard_name(const std::string& path) {
  // "-" 5 digits "-of-" 5 digits ".gguf"
  constexpr std::size_t tail = 1 + digits + 4 + digits + 5;
  if (path.size() <= tail) return std::nullopt;
  const std::string_view end = std::string_view(path).substr(path.size() - tail);
  if (end.front() != '-' || end.substr(1 + digits, 4) != "-of-" || !end.ends_with(".gguf"))
    return std::nullopt;
  const auto number = five_digits(end.substr(1, digits)), count = five_digits(end.substr(5 + digits, digits));
  if (!number || !count || *number < 1 || *count < 1 || *number > *count) return std::nullopt;
  return ShardName{path.substr(0, path.size() - tail), *number, *count};
}

}  // namespace llmsize::gguf
