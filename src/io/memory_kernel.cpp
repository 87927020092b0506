#include "memory_kernel.hpp"

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace llmsize::io {
namespace {

// Eight independent sums keep as many loads in flight, and the widest loads keep the most memory in flight: a
// core waits for a bounded number of instructions, not bytes.
#define LLMSIZE_SUMS 8
#define LLMSIZE_EACH_SUM _Pragma("GCC unroll 8") for (std::size_t i = 0; i < LLMSIZE_SUMS; ++i)

/// What the narrowest supported processor can load at once.
typedef std::uint64_t Narrow __attribute__((vector_size(16)));

void read_narrow(const char* data, std::size_t size) {
  Narrow sum[LLMSIZE_SUMS] = {};
  for (std::size_t at = 0; at + sizeof sum <= size; at += sizeof sum)
    LLMSIZE_EACH_SUM sum[i] ^= *reinterpret_cast<const Narrow*>(data + at + i * sizeof(Narrow));
  for (const auto& part : sum) __asm__ volatile("" : : "m"(part));
}

#if defined(__x86_64__)

__attribute__((target("avx512f"))) void read_512(const char* data, std::size_t size) {
  __m512i sum[LLMSIZE_SUMS] = {};
  for (std::size_t at = 0; at + sizeof sum <= size; at += sizeof sum)
    LLMSIZE_EACH_SUM sum[i] = _mm512_xor_si512(sum[i], _mm512_loadu_si512(data + at + i * sizeof(__m512i)));
  for (const auto& part : sum) __asm__ volatile("" : : "v"(part));
}

__attribute__((target("avx2"))) void read_256(const char* data, std::size_t size) {
  __m256i sum[LLMSIZE_SUMS] = {};
  for (std::size_t at = 0; at + sizeof sum <= size; at += sizeof sum)
    LLMSIZE_EACH_SUM sum[i] = _mm256_xor_si256(
        sum[i], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data + at + i * sizeof(__m256i))));
  for (const auto& part : sum) __asm__ volatile("" : : "v"(part));
}

#endif

using Kernel = void (*)(const char*, std::size_t);

Kernel widest_kernel() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") != 0) return read_512;
  if (__builtin_cpu_supports("avx2") != 0) return read_256;
#endif
  return read_narrow;
}

}  // namespace

void read_all(const char* data, std::size_t size) {
  static const Kernel kernel = widest_kernel();
  kernel(data, size);
}

}  // namespace llmsize::io
