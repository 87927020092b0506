#include <algorithm>
#include <array>

#include "llmsize/probe/cpu.hpp"

namespace llmsize::probe {
namespace {

enum Register : std::size_t { eax, ebx, ecx, edx };

/// Which register file an instruction set needs the kernel to save on a context switch.
enum class State { none, vectors_256, vectors_512, tiles };

struct X86Flag {
  const char* name;  ///< The kernel's.
  std::uint32_t leaf, subleaf;
  Register place;
  unsigned bit;
  State needs;
};

/// Bits as Intel's Software Developer's Manual (volume 2, CPUID) and the Architecture Instruction Set
/// Extensions reference number them; names as Linux prints them.
constexpr std::array x86_table = {X86Flag{"ssse3", 1, 0, ecx, 9, State::none},
                                  X86Flag{"sse4_1", 1, 0, ecx, 19, State::none},
                                  X86Flag{"sse4_2", 1, 0, ecx, 20, State::none},
                                  X86Flag{"popcnt", 1, 0, ecx, 23, State::none},
                                  X86Flag{"bmi2", 7, 0, ebx, 8, State::none},
                                  X86Flag{"avx", 1, 0, ecx, 28, State::vectors_256},
                                  X86Flag{"fma", 1, 0, ecx, 12, State::vectors_256},
                                  X86Flag{"f16c", 1, 0, ecx, 29, State::vectors_256},
                                  X86Flag{"fma4", 0x80000001, 0, ecx, 16, State::vectors_256},
                                  X86Flag{"avx2", 7, 0, ebx, 5, State::vectors_256},
                                  X86Flag{"avx_vnni", 7, 1, eax, 4, State::vectors_256},
                                  X86Flag{"avx_ifma", 7, 1, eax, 23, State::vectors_256},
                                  X86Flag{"avx_vnni_int8", 7, 1, edx, 4, State::vectors_256},
                                  X86Flag{"avx_ne_convert", 7, 1, edx, 5, State::vectors_256},
                                  X86Flag{"avx_vnni_int16", 7, 1, edx, 10, State::vectors_256},
                                  X86Flag{"avx512f", 7, 0, ebx, 16, State::vectors_512},
                                  X86Flag{"avx512dq", 7, 0, ebx, 17, State::vectors_512},
                                  X86Flag{"avx512ifma", 7, 0, ebx, 21, State::vectors_512},
                                  X86Flag{"avx512pf", 7, 0, ebx, 26, State::vectors_512},
                                  X86Flag{"avx512er", 7, 0, ebx, 27, State::vectors_512},
                                  X86Flag{"avx512cd", 7, 0, ebx, 28, State::vectors_512},
                                  X86Flag{"avx512bw", 7, 0, ebx, 30, State::vectors_512},
                                  X86Flag{"avx512vl", 7, 0, ebx, 31, State::vectors_512},
                                  X86Flag{"avx512vbmi", 7, 0, ecx, 1, State::vectors_512},
                                  X86Flag{"avx512_vbmi2", 7, 0, ecx, 6, State::vectors_512},
                                  X86Flag{"avx512_vnni", 7, 0, ecx, 11, State::vectors_512},
                                  X86Flag{"avx512_bitalg", 7, 0, ecx, 12, State::vectors_512},
                                  X86Flag{"avx512_vpopcntdq", 7, 0, ecx, 14, State::vectors_512},
                                  X86Flag{"avx512_4vnniw", 7, 0, edx, 2, State::vectors_512},
                                  X86Flag{"avx512_4fmaps", 7, 0, edx, 3, State::vectors_512},
                                  X86Flag{"avx512_vp2intersect", 7, 0, edx, 8, State::vectors_512},
                                  X86Flag{"avx512_fp16", 7, 0, edx, 23, State::vectors_512},
                                  X86Flag{"avx512_bf16", 7, 1, eax, 5, State::vectors_512},
                                  X86Flag{"amx_bf16", 7, 0, edx, 22, State::tiles},
                                  X86Flag{"amx_tile", 7, 0, edx, 24, State::tiles},
                                  X86Flag{"amx_int8", 7, 0, edx, 25, State::tiles},
                                  X86Flag{"amx_fp16", 7, 1, eax, 21, State::tiles},
                                  X86Flag{"amx_complex", 7, 1, edx, 8, State::tiles}};

/// XCR0 bits by register file: SSE and AVX; those and the three AVX-512 parts; the two AMX parts.
constexpr std::uint64_t vector_256_state = 0x6, vector_512_state = 0xe6, tile_state = 0x60000;
constexpr unsigned osxsave_bit = 27;

struct ArmFlag {
  const char* name;
  std::size_t word;  ///< 0: AT_HWCAP, 1: AT_HWCAP2.
  unsigned bit;
};

/// Bits as Linux documents them for arm64 (Documentation/arm64/elf_hwcaps and uapi/asm/hwcap.h).
constexpr std::array arm_table = {
    ArmFlag{"asimd", 0, 1},      ArmFlag{"fphp", 0, 9},       ArmFlag{"asimdhp", 0, 10},
    ArmFlag{"asimdrdm", 0, 12},  ArmFlag{"asimddp", 0, 20},   ArmFlag{"sve", 0, 22},
    ArmFlag{"asimdfhm", 0, 23},  ArmFlag{"sve2", 1, 1},       ArmFlag{"sveaes", 1, 2},
    ArmFlag{"svepmull", 1, 3},   ArmFlag{"svebitperm", 1, 4}, ArmFlag{"svesha3", 1, 5},
    ArmFlag{"svesm4", 1, 6},     ArmFlag{"svei8mm", 1, 9},    ArmFlag{"svef32mm", 1, 10},
    ArmFlag{"svef64mm", 1, 11},  ArmFlag{"svebf16", 1, 12},   ArmFlag{"i8mm", 1, 13},
    ArmFlag{"bf16", 1, 14},      ArmFlag{"sme", 1, 23},       ArmFlag{"smei16i64", 1, 24},
    ArmFlag{"smef64f64", 1, 25}, ArmFlag{"smei8i32", 1, 26},  ArmFlag{"smef16f32", 1, 27},
    ArmFlag{"smeb16f32", 1, 28}, ArmFlag{"smef32f32", 1, 29}, ArmFlag{"smefa64", 1, 30},
    ArmFlag{"sme2", 1, 37}};

}  // namespace

std::optional<std::vector<std::string>> x86_flags(const ProcessorRegisters& processor) {
  const auto basic = processor.cpuid(1, 0);
  const auto highest = processor.cpuid(0, 0);
  if (!basic || !highest) return std::nullopt;
  const auto extended = processor.cpuid(0x80000000, 0);
  const auto structured = processor.cpuid(7, 0);
  const bool saves_state = ((*basic)[ecx] >> osxsave_bit & 1U) != 0;
  const std::uint64_t state = saves_state ? processor.enabled_state() : 0;
  const auto enabled = [&](std::uint64_t mask) { return (state & mask) == mask; };
  const auto usable = [&](State needs) {
    if (needs == State::none) return true;
    if (needs == State::vectors_256) return enabled(vector_256_state);
    if (needs == State::vectors_512) return enabled(vector_512_state);
    return enabled(tile_state) && processor.tiles_permitted();
  };
  const auto leaf_exists = [&](const X86Flag& flag) {
    if (flag.leaf >= 0x80000000) return extended && (*extended)[eax] >= flag.leaf;
    if (flag.leaf > (*highest)[eax]) return false;
    // Leaf 7 states its highest subleaf in eax.
    return flag.subleaf == 0 || (structured && (*structured)[eax] >= flag.subleaf);
  };
  std::vector<std::string> flags;
  for (const auto& flag : x86_table) {
    if (!leaf_exists(flag)) continue;
    const auto registers = processor.cpuid(flag.leaf, flag.subleaf);
    if (registers && ((*registers)[flag.place] >> flag.bit & 1U) != 0 && usable(flag.needs))
      flags.emplace_back(flag.name);
  }
  std::sort(flags.begin(), flags.end());
  return flags;
}

std::vector<std::string> instruction_set_names() {
  // Those of processors without a table here: 32-bit ARM, POWER, s390 and LoongArch.
  std::vector<std::string> names = {"neon", "vfpv4", "half", "altivec", "vx",  "vxd",
                                    "vxe",  "vxe2",  "vxp",  "nnpa",    "lsx", "lasx"};
  for (const auto& flag : x86_table) names.emplace_back(flag.name);
  for (const auto& flag : arm_table) names.emplace_back(flag.name);
  return names;
}

std::vector<std::string> arm_flags(const std::array<std::uint64_t, 2>& capabilities) {
  std::vector<std::string> flags;
  for (const auto& flag : arm_table)
    if ((capabilities[flag.word] >> flag.bit & 1U) != 0) flags.emplace_back(flag.name);
  std::sort(flags.begin(), flags.end());
  return flags;
}

}  // namespace llmsize::probe
