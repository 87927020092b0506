#include "llmsize/hf/http_text.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

#include <fmt/format.h>

namespace llmsize::hf {
namespace {

/// Takes a non-negative number off the front of `text`.
std::optional<std::int64_t> take_number(std::string_view& text) {
  std::int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || value < 0 || text.front() == '-') return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
  return value;
}

bool take(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

}  // namespace

std::optional<ContentRange> parse_content_range(std::string_view text) {
  if (!take(text, "bytes ")) return std::nullopt;
  const auto first = take_number(text);
  if (!first || !take(text, "-")) return std::nullopt;
  const auto last = take_number(text);
  if (!last || !take(text, "/")) return std::nullopt;
  const auto total = take_number(text);
  if (!total || !text.empty() || *first > *last || *last >= *total) return std::nullopt;
  return ContentRange{{*first, *last}, *total};
}

std::optional<double> parse_retry_after(std::string_view text) {
  const auto seconds = take_number(text);
  return seconds && text.empty() ? std::optional(static_cast<double>(*seconds)) : std::nullopt;
}

std::string origin_of(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  const auto host_begin = scheme + 3;
  const auto host_end = std::min(url.find_first_of("/?#", host_begin), url.size());
  std::string origin(url.substr(0, host_end));
  std::transform(origin.begin(), origin.end(), origin.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const bool web = origin.starts_with("https://") || origin.starts_with("http://");
  const std::string_view host = std::string_view(origin).substr(host_begin);
  const bool plain = !host.empty() && std::all_of(host.begin(), host.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view(".-:[]_").find(static_cast<char>(c)) != std::string_view::npos;
  });
  return web && plain ? origin : std::string();
}

std::string redirect_target(std::string_view url, std::string_view location) {
  const bool printable =
      std::all_of(location.begin(), location.end(), [](unsigned char c) { return c > ' ' && c < 0x7f; });
  if (!printable) return {};
  if (location.starts_with('/') && !location.starts_with("//")) {
    const std::string origin = origin_of(url);
    return origin.empty() ? std::string() : origin + std::string(location);
  }
  return origin_of(location).empty() ? std::string() : std::string(location);
}

std::string escape_path(std::string_view path) {
  constexpr std::string_view kept = "-._~/";
  std::string out;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 && (std::isalnum(byte) != 0 || kept.find(c) != std::string_view::npos))
      out += c;
    else
      out += fmt::format("%{:02X}", byte);
  }
  return out;
}

}  // namespace llmsize::hf
