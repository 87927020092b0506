#include <algorithm>
#include <functional>
#include <map>

#include <fmt/format.h>

#include "llmsize/probe/cpu.hpp"
#include "llmsize/probe/platform.hpp"
#include "llmsize/probe/probe.hpp"
#include "llmsize/probe/text.hpp"

namespace llmsize::probe {
namespace {

constexpr const char* cpuinfo_path = "/proc/cpuinfo";

/// The core's name on ARM, from its block of cpuinfo; empty elsewhere.
std::string core_name(const CpuinfoEntry& processor) {
  const auto implementer = processor.values.find("CPU implementer");
  const auto part = processor.values.find("CPU part");
  if (implementer == processor.values.end() || part == processor.values.end()) return {};
  return arm_core_label(implementer->second, part->second);
}

/// Names of ARM cores by CPU: from cpuinfo, and where that is short (old kernels print one block for all)
/// from the register that sysfs shows.
std::map<int, std::string> arm_names(const FileReader& files, const std::vector<int>& online,
                                     const Cpuinfo& cpuinfo) {
  std::map<int, std::string> names;
  for (const auto& processor : cpuinfo.processors)
    if (std::string name = core_name(processor); !name.empty())
      names.emplace(processor.number, std::move(name));
  for (const int cpu : online) {
    if (names.count(cpu) != 0) continue;
    const auto text = read_trimmed(files, cpu_folder(cpu) + "/regs/identification/midr_el1");
    if (!text && names.empty()) break;  // No ARM processor, or a kernel that does not show it.
    const auto value = text ? parse_hexadecimal(*text) : std::nullopt;
    if (std::string name = arm_core_name(value.value_or(0)); !name.empty())
      names.emplace(cpu, std::move(name));
  }
  return names;
}

Fact<std::string> model_of(const Cpuinfo& cpuinfo, const std::map<int, std::string>& core_names) {
  // x86 and MIPS say "model name", POWER "cpu", RISC-V "uarch", LoongArch "Model Name".
  for (const char* key : {"model name", "Model Name", "cpu model", "cpu", "uarch"})
    if (const auto name = cpuinfo.value(key); name && !name->empty())
      return reported(*name, fmt::format("{} ({})", cpuinfo_path, key));
  std::map<std::string, int> cores;
  for (const auto& [cpu, name] : core_names) ++cores[name];
  if (!cores.empty()) {
    std::string text;
    for (const auto& [name, count] : cores)
      text += fmt::format("{}{} x {}", text.empty() ? "" : " + ", count, name);
    return derived(text, std::string("CPU implementer and part"));
  }
  if (const auto vendor = cpuinfo.value("vendor_id"))
    return reported(*vendor, fmt::format("{} (vendor_id)", cpuinfo_path));
  return unknown<std::string>(fmt::format("{} names no model", cpuinfo_path));
}

Fact<std::vector<std::string>> isa_of(const Cpuinfo& cpuinfo, const SystemCalls* system) {
  if (system != nullptr) {
    if (auto flags = x86_flags(system->processor())) return measured(std::move(*flags), "CPUID and XGETBV");
    if (const auto words = system->processor().arm_capabilities())
      return measured(arm_flags(*words), "AT_HWCAP and AT_HWCAP2");
  }
  for (const char* key : {"flags", "Features", "features"})
    if (const auto flags = cpuinfo.value(key))
      return reported(inference_flags(*flags), fmt::format("{} ({})", cpuinfo_path, key));
  if (const auto cpu = cpuinfo.value("cpu"); cpu && cpu->find("altivec") != std::string::npos)
    return reported(std::vector<std::string>{"altivec"}, fmt::format("{} (cpu)", cpuinfo_path));
  return unknown<std::vector<std::string>>(fmt::format("{} lists no instruction sets", cpuinfo_path));
}

/// Intel hybrid processors list each kind's CPUs under its own event source.
std::map<int, std::string> event_source_kinds(const FileReader& files) {
  std::map<int, std::string> names;
  for (const auto& [folder, name] :
       {std::pair{"cpu_core", "performance"}, {"cpu_atom", "efficiency"}, {"cpu_lowpower", "low power"}}) {
    const auto list = read_trimmed(files, fmt::format("/sys/devices/{}/cpus", folder));
    for (const int cpu : list ? parse_cpu_list(*list).value_or(std::vector<int>()) : std::vector<int>())
      names[cpu] = name;
  }
  return names;
}

/// The same by CPUID, where the kernel's event sources are not to be seen, as in a container. Leaf 1Ah
/// answers for the CPU that asks (Intel's Software Developer's Manual, volume 2, CPUID).
std::map<int, std::string> register_kinds(const SystemCalls* system, const std::vector<int>& online) {
  std::map<int, std::string> names;
  if (system == nullptr) return names;
  constexpr std::uint32_t kinds_leaf = 0x1a;
  constexpr unsigned hybrid_bit = 15, kind_shift = 24;
  const ProcessorRegisters& processor = system->processor();
  const auto highest = processor.cpuid(0, 0), structured = processor.cpuid(7, 0);
  if (!highest || (*highest)[0] < kinds_leaf || !structured || ((*structured)[3] >> hybrid_bit & 1U) == 0)
    return names;
  for (const int cpu : online) {
    const auto registers = processor.cpuid_on(cpu, kinds_leaf, 0);
    const std::uint32_t kind = registers ? (*registers)[0] >> kind_shift : 0;
    if (kind == 0x40) names[cpu] = "performance";
    if (kind == 0x20) names[cpu] = "efficiency";
  }
  return names;
}

/// Highest frequency; 0 where nothing states one. It orders the kinds and does not make them: favoured cores
/// of one kind differ in turbo.
std::int64_t kilohertz_of(const FileReader& files, int cpu) {
  for (const char* file : {"cpufreq/cpuinfo_max_freq", "cpufreq/base_frequency"})
    if (const auto value = read_integer(files, cpu_folder(cpu) + "/" + file); value && *value > 0)
      return *value;
  return 0;
}

/// Kinds of nameless cores by the kernel's cpu_capacity. Capacities of one kind differ by a few percent,
/// since each core's highest clock counts, those of two kinds by a third and more.
std::map<int, std::string> kinds_by_capacity(const FileReader& files, const std::vector<CoreCpus>& cores) {
  constexpr double same_kind = 0.85;
  std::map<std::int64_t, std::vector<int>, std::greater<>> cpus_by_capacity;
  for (const auto& core : cores)
    if (const auto capacity = read_integer(files, cpu_folder(core.front()) + "/cpu_capacity"))
      cpus_by_capacity[*capacity].push_back(core.front());
  std::map<int, std::string> names;
  std::int64_t top = 0;
  for (const auto& [capacity, cpus] : cpus_by_capacity) {
    if (static_cast<double>(capacity) < same_kind * static_cast<double>(top) || top == 0) top = capacity;
    for (const int cpu : cpus) names[cpu] = fmt::format("capacity {}", top);
  }
  return names;
}

/// Groups CPUs into kinds: by name where the cores have names (ARM's part number, Intel's event sources),
/// since capacities and turbo limits of one kind can differ.
std::vector<CpuKind> kinds_of(const Surroundings& from, const CpuFacts& cpu,
                              const std::map<int, std::string>& core_names) {
  const FileReader& files = from.files;
  std::string source = "/sys/devices/cpu_core and cpu_atom";
  auto names = event_source_kinds(files);
  if (names.empty()) {
    names = register_kinds(from.system, cpu.online.value_or({}));
    source = "CPUID 0x1a";
  }
  if (names.empty()) {
    names = core_names;
    source = "CPU implementer and part";
  }
  const bool by_capacity = names.empty();
  if (by_capacity) {
    names = kinds_by_capacity(files, cpu.cores);
    source = names.empty() ? "nothing tells cores apart" : "/sys/devices/system/cpu/cpu*/cpu_capacity";
  }
  std::map<std::string, CpuKind> kinds;
  for (const auto& core : cpu.cores) {
    const auto named = names.find(core.front());
    const std::string name = named == names.end() ? std::string() : named->second;
    CpuKind& kind = kinds[name];
    kind.name = derived(name, source);
    ++kind.cores;
    kind.threads_per_core = std::max(kind.threads_per_core, static_cast<int>(core.size()));
    kind.cpus.insert(kind.cpus.end(), core.begin(), core.end());
    constexpr double kilo = 1000;
    const double megahertz = static_cast<double>(kilohertz_of(files, core.front())) / kilo;
    if (megahertz > kind.max_megahertz.value_or(0))
      kind.max_megahertz = reported(megahertz, "/sys/devices/system/cpu/cpu*/cpufreq/cpuinfo_max_freq");
  }
  std::vector<CpuKind> result;
  for (auto& [name, kind] : kinds) {
    std::sort(kind.cpus.begin(), kind.cpus.end());
    if (name.empty() || (by_capacity && kinds.size() == 1))
      kind.name = derived(std::string(kinds.size() == 1 ? "all" : "other"), source);
    result.push_back(std::move(kind));
  }
  // The fastest kind first; by name where nothing says how fast.
  std::stable_sort(result.begin(), result.end(), [](const CpuKind& a, const CpuKind& b) {
    return a.max_megahertz.value_or(0) > b.max_megahertz.value_or(0);
  });
  // Intel's event sources say which kind is the fast one even where no frequency is known.
  std::stable_partition(result.begin(), result.end(),
                        [](const CpuKind& k) { return k.name.value == "performance"; });
  return result;
}

/// The widest vectors. Scalable ones have no width in their name; the kernel states it in bytes.
Fact<int> vector_width(const FileReader& files, const std::vector<std::string>& isa) {
  if (const auto bits = vector_bits(isa)) return derived(*bits, "cpu.isa");
  const std::string path = "/proc/sys/abi/sve_default_vector_length";
  constexpr std::int64_t bits_per_byte = 8, longest = 256;  // 2048 bits, as the architecture allows.
  const auto bytes = read_integer(files, path);
  if (std::count(isa.begin(), isa.end(), "sve") > 0 && bytes && *bytes > 0 && *bytes <= longest)
    return reported(static_cast<int>(*bytes * bits_per_byte), path);
  return unknown<int>("no instruction set states the width");
}

}  // namespace

void gather_cpu_identity(const Surroundings& from, Host& host) {
  const auto text = from.files.read_text(cpuinfo_path);
  const Cpuinfo cpuinfo = text ? parse_cpuinfo(*text) : Cpuinfo();
  const auto core_names = arm_names(from.files, host.cpu.online.value_or({}), cpuinfo);
  host.cpu.model = model_of(cpuinfo, core_names);
  if (!host.cpu.model.known() && !text)
    host.cpu.model.source = fmt::format("{} could not be read", cpuinfo_path);
  host.cpu.isa = isa_of(cpuinfo, from.system);
  if (host.cpu.isa.known()) host.cpu.vector_bits = vector_width(from.files, *host.cpu.isa.value);
  host.cpu.kinds = kinds_of(from, host.cpu, core_names);
  if (const auto flags = cpuinfo.value("flags"); flags && !is_xen_control_domain(from.files))
    for (const auto flag : fields_of(*flags))
      if (flag == "hypervisor" && !host.platform.virtualization.known())
        host.platform.virtualization =
            reported(std::string("unnamed hypervisor"), fmt::format("{} (flags)", cpuinfo_path));
}

}  // namespace llmsize::probe
