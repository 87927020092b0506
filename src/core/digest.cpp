#include "llmsize/core/digest.hpp"

#include <algorithm>
#include <bit>

namespace llmsize {
namespace {

using State = std::array<std::uint32_t, 8>;

constexpr std::size_t block_bytes = 64, length_bytes = 8, round_count = 64;

/// FIPS 180-4, 5.3.3: fractional parts of the square roots of the first eight primes.
constexpr State initial_state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/// FIPS 180-4, 4.2.2: fractional parts of the cube roots of the first 64 primes.
constexpr std::array<std::uint32_t, round_count> round_constants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

std::uint32_t word_at(const char* bytes) {
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < sizeof word; ++i) word = word << 8U | static_cast<std::uint8_t>(bytes[i]);
  return word;
}

/// FIPS 180-4, 6.2.2, with that text's names.
void compress(State& state, const char* block) {
  std::array<std::uint32_t, round_count> w{};
  for (std::size_t t = 0; t < 16; ++t) w[t] = word_at(block + t * sizeof(std::uint32_t));
  for (std::size_t t = 16; t < round_count; ++t) {
    const std::uint32_t s0 = std::rotr(w[t - 15], 7) ^ std::rotr(w[t - 15], 18) ^ w[t - 15] >> 3U;
    const std::uint32_t s1 = std::rotr(w[t - 2], 17) ^ std::rotr(w[t - 2], 19) ^ w[t - 2] >> 10U;
    w[t] = s1 + w[t - 7] + s0 + w[t - 16];
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (std::size_t t = 0; t < round_count; ++t) {
    const std::uint32_t sum1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const std::uint32_t t1 = h + sum1 + ((e & f) ^ (~e & g)) + round_constants[t] + w[t];
    const std::uint32_t sum0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const std::uint32_t t2 = sum0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  const State added = {a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < state.size(); ++i) state[i] += added[i];
}

std::string padded(std::string_view bytes) {
  constexpr unsigned bits_per_byte = 8;
  std::string text(bytes);
  text += '\x80';
  while (text.size() % block_bytes != block_bytes - length_bytes) text += '\0';
  const std::uint64_t bits = static_cast<std::uint64_t>(bytes.size()) * bits_per_byte;
  for (unsigned shift = 64; shift > 0; shift -= bits_per_byte)
    text += static_cast<char>(bits >> (shift - bits_per_byte) & 0xffU);
  return text;
}

}  // namespace

Digest sha256(std::string_view bytes) {
  State state = initial_state;
  const std::string text = padded(bytes);
  for (std::size_t at = 0; at < text.size(); at += block_bytes) compress(state, text.data() + at);
  Digest digest{};
  for (std::size_t i = 0; i < digest.size(); ++i)
    digest[i] = static_cast<std::uint8_t>(state[i / 4] >> (24 - 8 * (i % 4)) & 0xffU);
  return digest;
}

Digest hmac_sha256(std::string_view key, std::string_view message) {
  constexpr std::uint8_t inner_pad = 0x36, outer_pad = 0x5c;
  std::string block(key);
  if (key.size() > block_bytes) {
    const Digest hashed = sha256(key);
    block.assign(hashed.begin(), hashed.end());
  }
  block.resize(block_bytes, '\0');
  const auto keyed = [&block](std::uint8_t pad) {
    std::string text = block;
    for (char& byte : text) byte = static_cast<char>(static_cast<std::uint8_t>(byte) ^ pad);
    return text;
  };
  const Digest inner = sha256(keyed(inner_pad) + std::string(message));
  return sha256(keyed(outer_pad) + std::string(inner.begin(), inner.end()));
}

std::string hexadecimal(const Digest& digest, std::size_t bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < std::min(bytes, digest.size()); ++i) {
    text += digits[digest[i] >> 4U];
    text += digits[digest[i] & 0xfU];
  }
  return text;
}

}  // namespace llmsize
