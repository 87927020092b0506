#include "compute_kernels.hpp"

#include "llmsize/io/system_calls.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#include <sys/auxv.h>
#endif

// Every kernel keeps twelve sums, since a multiply-add takes four to five cycles and two start in each. The
// sums begin with 0 to 11, so that the compiler cannot take them for one, and a kernel returns the total of
// their first lanes, so that it cannot leave any out.
#define LLMSIZE_SUMS 12
#define LLMSIZE_EACH_SUM _Pragma("GCC unroll 12") for (int i = 0; i < LLMSIZE_SUMS; ++i)

namespace llmsize::io {
namespace {

constexpr double sums = LLMSIZE_SUMS, operations_per_product = 2;
/// 0 to 11, and 0.5, as 16-bit floating point.
[[maybe_unused]] constexpr std::uint16_t half_numbers[LLMSIZE_SUMS] = {
    0x0000, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600, 0x4700, 0x4800, 0x4880, 0x4900, 0x4980};
[[maybe_unused]] constexpr std::uint16_t one_half = 0x3800, one_half_brain_float = 0x3f00;

#if defined(__x86_64__)

__attribute__((target("avx512f"))) double float_512(std::int64_t rounds) {
  __m512 sum[LLMSIZE_SUMS];
  LLMSIZE_EACH_SUM sum[i] = _mm512_set1_ps(static_cast<float>(i));
  const __m512 half = _mm512_set1_ps(0.5F);
  for (std::int64_t round = 0; round < rounds; ++round)
    LLMSIZE_EACH_SUM sum[i] = _mm512_fmadd_ps(sum[i], half, half);
  double total = 0;
  LLMSIZE_EACH_SUM total += double{_mm512_cvtss_f32(sum[i])};
  return total;
}

__attribute__((target("avx2,fma"))) double float_256(std::int64_t rounds) {
  __m256 sum[LLMSIZE_SUMS];
  LLMSIZE_EACH_SUM sum[i] = _mm256_set1_ps(static_cast<float>(i));
  const __m256 half = _mm256_set1_ps(0.5F);
  for (std::int64_t round = 0; round < rounds; ++round)
    LLMSIZE_EACH_SUM sum[i] = _mm256_fmadd_ps(sum[i], half, half);
  double total = 0;
  LLMSIZE_EACH_SUM total += double{_mm256_cvtss_f32(sum[i])};
  return total;
}

/// In assembly, because clang 14 has no type for these vectors.
__attribute__((target("avx512f,f16c"))) double half_512(std::int64_t rounds) {
  __m512i sum[LLMSIZE_SUMS];
  LLMSIZE_EACH_SUM sum[i] = _mm512_set1_epi32(half_numbers[i] * 0x10001);
  const __m512i half = _mm512_set1_epi32(one_half * 0x10001);
  for (std::int64_t round = 0; round < rounds; ++round) LLMSIZE_EACH_SUM {
      // By way of a variable: an element that assembly writes would stay in memory.
      __m512i part = sum[i];
      __asm__("vfmadd132ph %1, %1, %0" : "+v"(part) : "v"(half));
      sum[i] = part;
    }
  double total = 0;
  LLMSIZE_EACH_SUM total +=
      double{_cvtsh_ss(static_cast<std::uint16_t>(_mm512_cvtsi512_si32(sum[i]) & 0xffff))};
  return total;
}

__attribute__((target("avx512f,avx512vnni"))) double byte_512(std::int64_t rounds) {
  __m512i sum[LLMSIZE_SUMS];
  LLMSIZE_EACH_SUM sum[i] = _mm512_set1_epi32(i);
  const __m512i values = _mm512_set1_epi8(3);
  for (std::int64_t round = 0; round < rounds; ++round)
    LLMSIZE_EACH_SUM sum[i] = _mm512_dpbusd_epi32(sum[i], values, values);
  double total = 0;
  LLMSIZE_EACH_SUM total += _mm512_cvtsi512_si32(sum[i]);
  return total;
}

__attribute__((target("avx2,avxvnni"))) double byte_vnni_256(std::int64_t rounds) {
  __m256i sum[LLMSIZE_SUMS];
  LLMSIZE_EACH_SUM sum[i] = _mm256_set1_epi32(i);
  const __m256i values = _mm256_set1_epi8(3);
  for (std::int64_t round = 0; round < rounds; ++round)
    LLMSIZE_EACH_SUM sum[i] = _mm256_dpbusd_avx_epi32(sum[i], values, values);
  double total = 0;
  LLMSIZE_EACH_SUM total += _mm256_extract_epi32(sum[i], 0);
  return total;
}

/// What an AVX2 processor needs three instructions for.
__attribute__((target("avx2"))) double byte_256(std::int64_t rounds) {
  __m256i sum[LLMSIZE_SUMS];
  LLMSIZE_EACH_SUM sum[i] = _mm256_set1_epi32(i);
  const __m256i values = _mm256_set1_epi8(3), ones = _mm256_set1_epi16(1);
  for (std::int64_t round = 0; round < rounds; ++round) LLMSIZE_EACH_SUM {
      __m256i factor = values;
      // Hides that the factor never changes; the products would be taken once and reused.
      __asm__ volatile("" : "+x"(factor));
      sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(_mm256_maddubs_epi16(factor, values), ones));
    }
  double total = 0;
  LLMSIZE_EACH_SUM total += _mm256_extract_epi32(sum[i], 0);
  return total;
}

__attribute__((target("avx512f,avx512bf16"))) double brain_float_512(std::int64_t rounds) {
  __m512 sum[LLMSIZE_SUMS];
  LLMSIZE_EACH_SUM sum[i] = _mm512_set1_ps(static_cast<float>(i));
  const __m512bh values = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5F), _mm512_set1_ps(0.5F));
  for (std::int64_t round = 0; round < rounds; ++round)
    LLMSIZE_EACH_SUM sum[i] = _mm512_dpbf16_ps(sum[i], values, values);
  double total = 0;
  LLMSIZE_EACH_SUM total += double{_mm512_cvtss_f32(sum[i])};
  return total;
}

/// What LDTILECFG reads (Intel Architecture Instruction Set Extensions reference, AMX).
struct alignas(64) TileShapes {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};
constexpr int tile_rows = 16, tile_row_bytes = 64;
/// Four products of two tiles, each with its own sum: a product starts every 16 cycles and takes 52.
constexpr int tile_sums = 4;

/// Tiles 0 to 3 empty, and `word` in every 16 bits of tiles 4 to 7.
__attribute__((target("amx-tile"))) void prepare_tiles(std::uint16_t word) {
  TileShapes shapes;
  for (int tile = 0; tile < 2 * tile_sums; ++tile) {
    shapes.row_bytes[tile] = tile_row_bytes;
    shapes.rows[tile] = tile_rows;
  }
  _tile_loadconfig(&shapes);
  alignas(64) std::uint16_t values[tile_rows * tile_row_bytes / 2];
  for (auto& value : values) value = word;
  // Shown to the compiler as used, since the assembly that reads it only names its address.
  __asm__ volatile("" : : "m"(values));
  _tile_loadd(4, values, tile_row_bytes);
  _tile_loadd(5, values, tile_row_bytes);
  _tile_loadd(6, values, tile_row_bytes);
  _tile_loadd(7, values, tile_row_bytes);
}

/// The first element of each sum.
template <class Number>
__attribute__((target("amx-tile"))) double total_of_tiles() {
  Number values[tile_sums][tile_rows * tile_row_bytes / sizeof(Number)] = {};
  _tile_stored(0, values[0], tile_row_bytes);
  _tile_stored(1, values[1], tile_row_bytes);
  _tile_stored(2, values[2], tile_row_bytes);
  _tile_stored(3, values[3], tile_row_bytes);
  __asm__ volatile("" : "+m"(values));
  _tile_release();
  double total = 0;
  for (const auto& tile : values) total += static_cast<double>(tile[0]);
  return total;
}

__attribute__((target("amx-tile,amx-int8"))) double byte_tiles(std::int64_t rounds) {
  prepare_tiles(0x0303);
  for (std::int64_t round = 0; round < rounds; ++round) {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  return total_of_tiles<std::int32_t>();
}

__attribute__((target("amx-tile,amx-bf16"))) double brain_float_tiles(std::int64_t rounds) {
  prepare_tiles(one_half_brain_float);
  for (std::int64_t round = 0; round < rounds; ++round) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  return total_of_tiles<float>();
}

/// A bit of CPUID leaf 7, for sets that clang 14's __builtin_cpu_supports does not know.
bool leaf_7_has(std::uint32_t subleaf, std::size_t place, unsigned bit) {
  const LocalProcessor processor;
  const auto highest = processor.cpuid(0, 0), structured = processor.cpuid(7, 0);
  if (!highest || (*highest)[0] < 7 || !structured || (*structured)[0] < subleaf) return false;
  const auto registers = processor.cpuid(7, subleaf);
  return registers && ((*registers)[place] >> bit & 1U) != 0;
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
bool has_half() {
  return has_avx512() && __builtin_cpu_supports("avx512bw") != 0 && leaf_7_has(0, 3, 23);
}
bool has_avx2() {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
}
bool has_vnni_256() {
  return has_avx2() && leaf_7_has(1, 0, 4);
}

/// The processor has tiles, the kernel saves them (XCR0), and it lets this process use them.
bool has_tiles() {
  constexpr std::uint64_t tile_state = 0x60000;
  // AVX-512 usable means that XGETBV is.
  if (!has_avx512() || !leaf_7_has(0, 3, 24)) return false;
  const LocalProcessor processor;
  return (processor.enabled_state() & tile_state) == tile_state && processor.tiles_permitted();
}
bool has_byte_tiles() {
  return leaf_7_has(0, 3, 25) && has_tiles();
}
bool has_brain_float_tiles() {
  return leaf_7_has(0, 3, 22) && has_tiles();
}

#elif defined(__aarch64__)

double float_128(std::int64_t rounds) {
  float32x4_t sum[LLMSIZE_SUMS];
  LLMSIZE_EACH_SUM sum[i] = vdupq_n_f32(static_cast<float>(i));
  const float32x4_t half = vdupq_n_f32(0.5F);
  for (std::int64_t round = 0; round < rounds; ++round)
    LLMSIZE_EACH_SUM sum[i] = vfmaq_f32(half, sum[i], half);
  double total = 0;
  LLMSIZE_EACH_SUM total += double{vgetq_lane_f32(sum[i], 0)};
  return total;
}

__attribute__((target("arch=armv8.2-a+fp16"))) double half_128(std::int64_t rounds) {
  float16x8_t sum[LLMSIZE_SUMS];
  LLMSIZE_EACH_SUM sum[i] = vreinterpretq_f16_u16(vdupq_n_u16(half_numbers[i]));
  const float16x8_t half = vreinterpretq_f16_u16(vdupq_n_u16(one_half));
  for (std::int64_t round = 0; round < rounds; ++round)
    LLMSIZE_EACH_SUM sum[i] = vfmaq_f16(half, sum[i], half);
  double total = 0;
  LLMSIZE_EACH_SUM total += static_cast<double>(vgetq_lane_f16(sum[i], 0));
  return total;
}

__attribute__((target("arch=armv8.2-a+dotprod"))) double byte_128(std::int64_t rounds) {
  int32x4_t sum[LLMSIZE_SUMS];
  LLMSIZE_EACH_SUM sum[i] = vdupq_n_s32(i);
  const int8x16_t values = vdupq_n_s8(3);
  for (std::int64_t round = 0; round < rounds; ++round)
    LLMSIZE_EACH_SUM sum[i] = vdotq_s32(sum[i], values, values);
  double total = 0;
  LLMSIZE_EACH_SUM total += vgetq_lane_s32(sum[i], 0);
  return total;
}

__attribute__((target("arch=armv8.2-a+i8mm"))) double byte_matrix(std::int64_t rounds) {
  int32x4_t sum[LLMSIZE_SUMS];
  LLMSIZE_EACH_SUM sum[i] = vdupq_n_s32(i);
  const int8x16_t values = vdupq_n_s8(3);
  for (std::int64_t round = 0; round < rounds; ++round)
    LLMSIZE_EACH_SUM sum[i] = vmmlaq_s32(sum[i], values, values);
  double total = 0;
  LLMSIZE_EACH_SUM total += vgetq_lane_s32(sum[i], 0);
  return total;
}

__attribute__((target("arch=armv8.2-a+bf16"))) double brain_float_matrix(std::int64_t rounds) {
  float32x4_t sum[LLMSIZE_SUMS];
  LLMSIZE_EACH_SUM sum[i] = vdupq_n_f32(static_cast<float>(i));
  uint16x8_t bits = vdupq_n_u16(one_half_brain_float);
  // GCC 12 would make this constant with the instruction for another type.
  __asm__ volatile("" : "+w"(bits));
  const bfloat16x8_t values = vreinterpretq_bf16_u16(bits);
  for (std::int64_t round = 0; round < rounds; ++round)
    LLMSIZE_EACH_SUM sum[i] = vbfmmlaq_f32(sum[i], values, values);
  double total = 0;
  LLMSIZE_EACH_SUM total += double{vgetq_lane_f32(sum[i], 0)};
  return total;
}

bool always() {
  return true;
}
bool has_dot_product() {
  constexpr unsigned long dot_product = 1UL << 20U;  // HWCAP_ASIMDDP
  return (::getauxval(AT_HWCAP) & dot_product) != 0;
}
bool has_half() {
  constexpr unsigned long half_vectors = 1UL << 10U;  // HWCAP_ASIMDHP
  return (::getauxval(AT_HWCAP) & half_vectors) != 0;
}
bool has_byte_matrix() {
  constexpr unsigned long byte_matrix_bit = 1UL << 13U;  // HWCAP2_I8MM
  return (::getauxval(AT_HWCAP2) & byte_matrix_bit) != 0;
}
bool has_brain_float() {
  constexpr unsigned long brain_float_bit = 1UL << 14U;  // HWCAP2_BF16
  return (::getauxval(AT_HWCAP2) & brain_float_bit) != 0;
}

#endif

}  // namespace

const std::vector<ComputeKernel>& compute_kernels() {
  [[maybe_unused]] constexpr auto operations = [](int products_per_instruction) {
    return sums * products_per_instruction * operations_per_product;
  };
#if defined(__x86_64__)
  // Each of the rows of one tile with each of the columns of the other.
  constexpr auto tile_operations = [](int products_per_row) {
    return double{tile_sums} * tile_rows * tile_rows * products_per_row * operations_per_product;
  };
#endif
  static const std::vector<ComputeKernel> kernels = {
#if defined(__x86_64__)
    {ComputeLoop::float_multiply_add, "AVX-512 FMA", operations(16), has_avx512, float_512},
    {ComputeLoop::float_multiply_add, "AVX2 FMA", operations(8), has_avx2, float_256},
    {ComputeLoop::half_multiply_add, "AVX-512 FP16", operations(32), has_half, half_512},
    {ComputeLoop::byte_dot_product, "AMX int8", tile_operations(64), has_byte_tiles, byte_tiles},
    {ComputeLoop::byte_dot_product, "AVX-512 VNNI", operations(64), has_vnni, byte_512},
    {ComputeLoop::byte_dot_product, "AVX-VNNI", operations(32), has_vnni_256, byte_vnni_256},
    {ComputeLoop::byte_dot_product, "AVX2", operations(32), has_avx2, byte_256},
    {ComputeLoop::brain_float_dot_product, "AMX bf16", tile_operations(32), has_brain_float_tiles,
     brain_float_tiles},
    {ComputeLoop::brain_float_dot_product, "AVX-512 BF16", operations(32), has_brain_float, brain_float_512}
#elif defined(__aarch64__)
    {ComputeLoop::float_multiply_add, "NEON FMA", operations(4), always, float_128},
    {ComputeLoop::half_multiply_add, "NEON FP16", operations(8), has_half, half_128},
    {ComputeLoop::byte_dot_product, "NEON i8mm", operations(32), has_byte_matrix, byte_matrix},
    {ComputeLoop::byte_dot_product, "NEON dot product", operations(16), has_dot_product, byte_128},
    {ComputeLoop::brain_float_dot_product, "NEON bf16", operations(16), has_brain_float, brain_float_matrix}
#endif
  };
  return kernels;
}

}  // namespace llmsize::io
