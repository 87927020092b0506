#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "llmsize/probe/cpu.hpp"
#include "llmsize/probe/text.hpp"

namespace llmsize::probe {
namespace {

/// Beginnings of the kernel's flag names that say how fast matrix products can be; all others
/// (virtualization, mitigations) are left out.
constexpr std::array wanted_prefixes = {"avx",  "amx_",  "asimd", "sve",  "sme",     "i8mm", "bf16", "fphp",
                                        "neon", "vfpv4", "vx",    "nnpa", "altivec", "lsx",  "lasx"};
constexpr std::array wanted_names = {"ssse3", "sse4_1", "sse4_2", "fma", "fma4",
                                     "f16c",  "bmi2",   "popcnt", "half"};

struct ArmCore {
  std::string_view implementer, part, name;
};
/// Main ID register values of cores found in machines that run models. Source: ARM's technical reference
/// manuals and the vendors' kernel headers, as util-linux's lscpu names them.
constexpr std::array arm_cores = {ArmCore{"0x41", "0xc05", "Cortex-A5"},
                                  ArmCore{"0x41", "0xc07", "Cortex-A7"},
                                  ArmCore{"0x41", "0xc08", "Cortex-A8"},
                                  ArmCore{"0x41", "0xc09", "Cortex-A9"},
                                  ArmCore{"0x41", "0xc0e", "Cortex-A17"},
                                  ArmCore{"0x41", "0xc0f", "Cortex-A15"},
                                  ArmCore{"0x41", "0xd01", "Cortex-A32"},
                                  ArmCore{"0x41", "0xd02", "Cortex-A34"},
                                  ArmCore{"0x41", "0xd03", "Cortex-A53"},
                                  ArmCore{"0x41", "0xd04", "Cortex-A35"},
                                  ArmCore{"0x41", "0xd05", "Cortex-A55"},
                                  ArmCore{"0x41", "0xd06", "Cortex-A65"},
                                  ArmCore{"0x41", "0xd07", "Cortex-A57"},
                                  ArmCore{"0x41", "0xd08", "Cortex-A72"},
                                  ArmCore{"0x41", "0xd09", "Cortex-A73"},
                                  ArmCore{"0x41", "0xd0a", "Cortex-A75"},
                                  ArmCore{"0x41", "0xd0b", "Cortex-A76"},
                                  ArmCore{"0x41", "0xd0c", "Neoverse-N1"},
                                  ArmCore{"0x41", "0xd0d", "Cortex-A77"},
                                  ArmCore{"0x41", "0xd0e", "Cortex-A76AE"},
                                  ArmCore{"0x41", "0xd40", "Neoverse-V1"},
                                  ArmCore{"0x41", "0xd41", "Cortex-A78"},
                                  ArmCore{"0x41", "0xd42", "Cortex-A78AE"},
                                  ArmCore{"0x41", "0xd44", "Cortex-X1"},
                                  ArmCore{"0x41", "0xd46", "Cortex-A510"},
                                  ArmCore{"0x41", "0xd47", "Cortex-A710"},
                                  ArmCore{"0x41", "0xd48", "Cortex-X2"},
                                  ArmCore{"0x41", "0xd49", "Neoverse-N2"},
                                  ArmCore{"0x41", "0xd4a", "Neoverse-E1"},
                                  ArmCore{"0x41", "0xd4b", "Cortex-A78C"},
                                  ArmCore{"0x41", "0xd4c", "Cortex-X1C"},
                                  ArmCore{"0x41", "0xd4d", "Cortex-A715"},
                                  ArmCore{"0x41", "0xd4e", "Cortex-X3"},
                                  ArmCore{"0x41", "0xd4f", "Neoverse-V2"},
                                  ArmCore{"0x41", "0xd80", "Cortex-A520"},
                                  ArmCore{"0x41", "0xd81", "Cortex-A720"},
                                  ArmCore{"0x41", "0xd82", "Cortex-X4"},
                                  ArmCore{"0x41", "0xd83", "Neoverse-V3AE"},
                                  ArmCore{"0x41", "0xd84", "Neoverse-V3"},
                                  ArmCore{"0x41", "0xd85", "Cortex-X925"},
                                  ArmCore{"0x41", "0xd87", "Cortex-A725"},
                                  ArmCore{"0x41", "0xd8e", "Neoverse-N3"},
                                  ArmCore{"0x42", "0x516", "ThunderX2"},
                                  ArmCore{"0x43", "0x0a1", "ThunderX-88XX"},
                                  ArmCore{"0x43", "0x0a2", "ThunderX-81XX"},
                                  ArmCore{"0x43", "0x0a3", "ThunderX-83XX"},
                                  ArmCore{"0x43", "0x0af", "ThunderX2-99XX"},
                                  ArmCore{"0x46", "0x001", "A64FX"},
                                  ArmCore{"0x48", "0xd01", "TaiShan-v110"},
                                  ArmCore{"0x48", "0xd02", "TaiShan-v120"},
                                  ArmCore{"0x48", "0xd40", "Cortex-A76"},
                                  ArmCore{"0x4e", "0x000", "Denver"},
                                  ArmCore{"0x4e", "0x003", "Denver-2"},
                                  ArmCore{"0x4e", "0x004", "Carmel"},
                                  ArmCore{"0x50", "0x000", "X-Gene"},
                                  ArmCore{"0x51", "0x001", "Oryon"},
                                  ArmCore{"0x51", "0x800", "Kryo-2XX-Gold"},
                                  ArmCore{"0x51", "0x801", "Kryo-2XX-Silver"},
                                  ArmCore{"0x51", "0x802", "Kryo-3XX-Gold"},
                                  ArmCore{"0x51", "0x803", "Kryo-3XX-Silver"},
                                  ArmCore{"0x51", "0x804", "Kryo-4XX-Gold"},
                                  ArmCore{"0x51", "0x805", "Kryo-4XX-Silver"},
                                  ArmCore{"0x51", "0xc00", "Falkor"},
                                  ArmCore{"0x51", "0xc01", "Saphira"},
                                  ArmCore{"0x61", "0x022", "Apple M1 efficiency"},
                                  ArmCore{"0x61", "0x023", "Apple M1 performance"},
                                  ArmCore{"0x61", "0x024", "Apple M1 Pro efficiency"},
                                  ArmCore{"0x61", "0x025", "Apple M1 Pro performance"},
                                  ArmCore{"0x61", "0x028", "Apple M1 Max efficiency"},
                                  ArmCore{"0x61", "0x029", "Apple M1 Max performance"},
                                  ArmCore{"0x61", "0x032", "Apple M2 efficiency"},
                                  ArmCore{"0x61", "0x033", "Apple M2 performance"},
                                  ArmCore{"0x61", "0x034", "Apple M2 Pro efficiency"},
                                  ArmCore{"0x61", "0x035", "Apple M2 Pro performance"},
                                  ArmCore{"0x61", "0x038", "Apple M2 Max efficiency"},
                                  ArmCore{"0x61", "0x039", "Apple M2 Max performance"},
                                  ArmCore{"0x70", "0x660", "FTC660"},
                                  ArmCore{"0x70", "0x661", "FTC661"},
                                  ArmCore{"0x70", "0x662", "FTC662"},
                                  ArmCore{"0x70", "0x663", "FTC663"},
                                  ArmCore{"0x70", "0x664", "FTC664"},
                                  ArmCore{"0x70", "0x862", "FTC862"},
                                  ArmCore{"0xc0", "0xac3", "Ampere-1"},
                                  ArmCore{"0xc0", "0xac4", "Ampere-1a"},
                                  ArmCore{"0xc0", "0xac5", "Ampere-1b"}};

bool wanted(std::string_view flag) {
  const auto begins = [&](std::string_view prefix) { return flag.starts_with(prefix); };
  return std::any_of(wanted_prefixes.begin(), wanted_prefixes.end(), begins) ||
         std::find(wanted_names.begin(), wanted_names.end(), flag) != wanted_names.end();
}

/// The number in "processor : 3" or in s390's "processor 3: version = …".
std::optional<int> processor_number(std::string_view key, std::string_view value) {
  constexpr std::string_view word = "processor";
  if (!key.starts_with(word)) return std::nullopt;
  const auto rest = trimmed(key.substr(word.size()));
  const auto number = parse_integer(rest.empty() ? value : rest);
  if (!number || *number < 0 || *number > highest_cpu) return std::nullopt;
  return static_cast<int>(*number);
}

}  // namespace

std::optional<std::string> Cpuinfo::value(const std::string& key) const {
  for (const auto& processor : processors)
    if (const auto found = processor.values.find(key); found != processor.values.end()) return found->second;
  const auto found = shared.find(key);
  return found == shared.end() ? std::nullopt : std::optional(found->second);
}

Cpuinfo parse_cpuinfo(std::string_view text) {
  Cpuinfo cpuinfo;
  bool within = false;
  for (const auto line : lines_of(text)) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) {
      // An empty line ends a processor's block.
      within = within && !trimmed(line).empty();
      continue;
    }
    const auto key = trimmed(line.substr(0, colon));
    const auto value = trimmed(line.substr(colon + 1));
    if (const auto number = processor_number(key, value)) {
      if (cpuinfo.processors.size() > static_cast<std::size_t>(highest_cpu)) break;
      cpuinfo.processors.push_back({*number, {}});
      within = true;
      continue;
    }
    auto& into = within ? cpuinfo.processors.back().values : cpuinfo.shared;
    into.emplace(key, value);
  }
  return cpuinfo;
}

std::vector<std::string> inference_flags(std::string_view flags) {
  std::vector<std::string> chosen;
  const auto fields = fields_of(flags);
  // On x86 "sme" is memory encryption and "smep" a protection; on ARM they begin with the matrix extension.
  const bool is_x86 = std::find(fields.begin(), fields.end(), "fpu") != fields.end();
  for (const auto flag : fields)
    if (wanted(flag) && !(is_x86 && flag.starts_with("sme"))) chosen.emplace_back(flag);
  std::sort(chosen.begin(), chosen.end());
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  return chosen;
}

std::string arm_core_name(std::string_view implementer, std::string_view part) {
  for (const auto& core : arm_cores)
    if (core.implementer == implementer && core.part == part) return std::string(core.name);
  return {};
}

std::string arm_core_name(std::uint64_t main_id_register) {
  // ARM Architecture Reference Manual, MIDR_EL1: implementer in bits 31 to 24, part number in 15 to 4.
  const auto implementer = static_cast<unsigned>(main_id_register >> 24U & 0xffU);
  const auto part = static_cast<unsigned>(main_id_register >> 4U & 0xfffU);
  if (implementer == 0) return {};
  return arm_core_label(fmt::format("{:#04x}", implementer), fmt::format("{:#05x}", part));
}

std::string arm_core_label(const std::string& implementer, const std::string& part) {
  const std::string name = arm_core_name(implementer, part);
  return name.empty() ? fmt::format("ARM core {}/{}", implementer, part) : name;
}

std::optional<int> vector_bits(const std::vector<std::string>& isa) {
  const auto has = [&](std::string_view flag) {
    return std::find(isa.begin(), isa.end(), flag) != isa.end();
  };
  // A scalable vector's width is a property of the chip that no flag states.
  if (has("sve") || has("sme")) return std::nullopt;
  if (has("avx512f")) return 512;
  if (has("avx") || has("avx2") || has("lasx")) return 256;
  if (has("asimd") || has("neon") || has("sse4_2") || has("ssse3") || has("altivec") || has("vx") ||
      has("lsx"))
    return 128;
  return std::nullopt;
}

}  // namespace llmsize::probe
