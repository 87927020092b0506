#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "llmsize/ports/http_client.hpp"

namespace llmsize::hf {

/// "bytes 0-99/1234" (RFC 9110, 14.4), with a known length.
struct ContentRange {
  ByteRange range;
  std::int64_t total = 0;
};

/// Absent where `text` is anything else, also where the range does not lie within the length.
std::optional<ContentRange> parse_content_range(std::string_view text);

/// Seconds of a Retry-After header; absent for dates and nonsense.
std::optional<double> parse_retry_after(std::string_view text);

/// Scheme and host with port of an address, "https://huggingface.co", in lower case; empty where it has none
/// or is neither HTTP nor HTTPS, or hides a name and password before the host.
std::string origin_of(std::string_view url);

/// Where a redirect from `url` leads: `location` is an address or an absolute path. Empty for anything else.
std::string redirect_target(std::string_view url, std::string_view location);

/// `path` with everything but unreserved characters and '/' escaped.
std::string escape_path(std::string_view path);

}  // namespace llmsize::hf
