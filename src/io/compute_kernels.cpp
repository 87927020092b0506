#include "compute_kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#include <sys/auxv.h>
#endif

// Every kernel keeps twelve sums, since a multiply-add takes four to five cycles and two start in each. Each
// sum depends on itself, so nothing can be left out; at the end all of them are shown to the compiler as
// used.
#define LLMSIZE_SUMS 12
#define LLMSIZE_EACH_SUM _Pragma("GCC unroll 12") for (int i = 0; i < LLMSIZE_SUMS; ++i)

namespace llmsize::io {
namespace {

constexpr double sums = LLMSIZE_SUMS, operations_per_product = 2;

#if defined(__x86_64__)

__attribute__((target("avx512f"))) void float_512(std::int64_t rounds) {
  __m512 sum[LLMSIZE_SUMS] = {};
  const __m512 half = _mm512_set1_ps(0.5F);
  for (std::int64_t round = 0; round < rounds; ++round)
    LLMSIZE_EACH_SUM sum[i] = _mm512_fmadd_ps(sum[i], half, half);
  for (auto& part : sum) __asm__ volatile("" : : "v"(part));
}

__attribute__((target("avx2,fma"))) void float_256(std::int64_t rounds) {
  __m256 sum[LLMSIZE_SUMS] = {};
  const __m256 half = _mm256_set1_ps(0.5F);
  for (std::int64_t round = 0; round < rounds; ++round)
    LLMSIZE_EACH_SUM sum[i] = _mm256_fmadd_ps(sum[i], half, half);
  for (auto& part : sum) __asm__ volatile("" : : "x"(part));
}

__attribute__((target("avx512f,avx512vnni"))) void byte_512(std::int64_t rounds) {
  __m512i sum[LLMSIZE_SUMS] = {};
  const __m512i values = _mm512_set1_epi8(3);
  for (std::int64_t round = 0; round < rounds; ++round)
    LLMSIZE_EACH_SUM sum[i] = _mm512_dpbusd_epi32(sum[i], values, values);
  for (auto& part : sum) __asm__ volatile("" : : "v"(part));
}

/// What an AVX2 processor needs three instructions for.
__attribute__((target("avx2"))) void byte_256(std::int64_t rounds) {
  __m256i sum[LLMSIZE_SUMS] = {};
  const __m256i values = _mm256_set1_epi8(3), ones = _mm256_set1_epi16(1);
  for (std::int64_t round = 0; round < rounds; ++round) LLMSIZE_EACH_SUM {
      __m256i factor = values;
      // Hides that the factor never changes; the products would be taken once and reused.
      __asm__ volatile("" : "+x"(factor));
      sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(_mm256_maddubs_epi16(factor, values), ones));
    }
  for (auto& part : sum) __asm__ volatile("" : : "x"(part));
}

__attribute__((target("avx512f,avx512bf16"))) void brain_float_512(std::int64_t rounds) {
  __m512 sum[LLMSIZE_SUMS] = {};
  const __m512bh values = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5F), _mm512_set1_ps(0.25F));
  for (std::int64_t round = 0; round < rounds; ++round)
    LLMSIZE_EACH_SUM sum[i] = _mm512_dpbf16_ps(sum[i], values, values);
  for (auto& part : sum) __asm__ volatile("" : : "v"(part));
}

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") != 0;
}
bool has_vnni() {
  return has_avx512() && __builtin_cpu_supports("avx512vnni") != 0;
}
bool has_brain_float() {
  return has_avx512() && __builtin_cpu_supports("avx512bf16") != 0;
}
bool has_avx2() {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
}

#elif defined(__aarch64__)

void float_128(std::int64_t rounds) {
  float32x4_t sum[LLMSIZE_SUMS] = {};
  const float32x4_t half = vdupq_n_f32(0.5F);
  for (std::int64_t round = 0; round < rounds; ++round)
    LLMSIZE_EACH_SUM sum[i] = vfmaq_f32(half, sum[i], half);
  for (auto& part : sum) __asm__ volatile("" : : "w"(part));
}

__attribute__((target("arch=armv8.2-a+dotprod"))) void byte_128(std::int64_t rounds) {
  int32x4_t sum[LLMSIZE_SUMS] = {};
  const int8x16_t values = vdupq_n_s8(3);
  for (std::int64_t round = 0; round < rounds; ++round)
    LLMSIZE_EACH_SUM sum[i] = vdotq_s32(sum[i], values, values);
  for (auto& part : sum) __asm__ volatile("" : : "w"(part));
}

bool always() {
  return true;
}
bool has_dot_product() {
  constexpr unsigned long dot_product = 1UL << 20U;  // HWCAP_ASIMDDP
  return (::getauxval(AT_HWCAP) & dot_product) != 0;
}

#endif

}  // namespace

const std::vector<ComputeKernel>& compute_kernels() {
  [[maybe_unused]] constexpr auto operations = [](int products_per_instruction) {
    return sums * products_per_instruction * operations_per_product;
  };
  static const std::vector<ComputeKernel> kernels = {
#if defined(__x86_64__)
    {ComputeLoop::float_multiply_add, "AVX-512 FMA", operations(16), has_avx512, float_512},
    {ComputeLoop::float_multiply_add, "AVX2 FMA", operations(8), has_avx2, float_256},
    {ComputeLoop::byte_dot_product, "AVX-512 VNNI", operations(64), has_vnni, byte_512},
    {ComputeLoop::byte_dot_product, "AVX2", operations(32), has_avx2, byte_256},
    {ComputeLoop::brain_float_dot_product, "AVX-512 BF16", operations(32), has_brain_float, brain_float_512}
#elif defined(__aarch64__)
    {ComputeLoop::float_multiply_add, "NEON FMA", operations(4), always, float_128},
    {ComputeLoop::byte_dot_product, "NEON dot product", operations(16), has_dot_product, byte_128}
#endif
  };
  return kernels;
}

}  // namespace llmsize::io
