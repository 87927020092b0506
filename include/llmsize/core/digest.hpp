#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace llmsize {

/// A SHA-256 digest (FIPS 180-4).
using Digest = std::array<std::uint8_t, 32>;

Digest sha256(std::string_view bytes);

/// HMAC with SHA-256 (RFC 2104).
Digest hmac_sha256(std::string_view key, std::string_view message);

/// The first `bytes` of a digest in lower-case hexadecimal.
std::string hexadecimal(const Digest& digest, std::size_t bytes);

}  // namespace llmsize
