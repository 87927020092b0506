#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llmsize/core/host.hpp"
#include "llmsize/ports/file_reader.hpp"
#include "llmsize/ports/system_calls.hpp"

namespace llmsize::probe {

/// A logical processor's block of /proc/cpuinfo.
struct CpuinfoEntry {
  int number = -1;
  std::map<std::string, std::string> values;
};

struct Cpuinfo {
  std::map<std::string, std::string> shared;  ///< Lines outside any processor's block (s390, some ARM).
  std::vector<CpuinfoEntry> processors;
  /// The value of `key` on the first processor that has it, else among the shared lines.
  [[nodiscard]] std::optional<std::string> value(const std::string& key) const;
};

Cpuinfo parse_cpuinfo(std::string_view text);

/// The instruction sets among a "flags" or "Features" line that matter for inference, sorted.
std::vector<std::string> inference_flags(std::string_view flags);

/// Every instruction set that matters for inference, by the kernel's names.
std::vector<std::string> instruction_set_names();

/// "Cortex-X925" for an implementer and part number as ARM's cpuinfo prints them ("0x41", "0xd85"); empty
/// where unknown.
std::string arm_core_name(std::string_view implementer, std::string_view part);
/// The same, and "ARM core 0x41/0xfff" where the core is unknown.
std::string arm_core_label(const std::string& implementer, const std::string& part);
/// The label from a main ID register (MIDR_EL1); empty for 0.
std::string arm_core_name(std::uint64_t main_id_register);

/// Usable x86 instruction sets by the kernel's names, sorted: what CPUID offers, less what needs registers
/// that the kernel does not save (XCR0) or does not permit (AMX tiles). Nothing where there is no CPUID.
std::optional<std::vector<std::string>> x86_flags(const ProcessorRegisters& processor);

/// ARM instruction sets by the kernel's names, sorted, from AT_HWCAP and AT_HWCAP2.
std::vector<std::string> arm_flags(const std::array<std::uint64_t, 2>& capabilities);

/// Width in bits of the widest vectors that `isa` has; nothing for scalable vectors, whose width is not in
/// the name.
std::optional<int> vector_bits(const std::vector<std::string>& isa);

/// sysfs folder of a logical CPU.
std::string cpu_folder(int cpu);

}  // namespace llmsize::probe
