#include "llmsize/probe/cpu.hpp"

#include <algorithm>
#include <map>

#include <catch2/catch.hpp>

#include "support/temporary_tree.hpp"

using namespace llmsize;
using namespace llmsize::probe;
using llmsize::test::TemporaryTree;

namespace {

/// Registers written down by the test.
class WrittenProcessor final : public ProcessorRegisters {
 public:
  std::map<std::pair<std::uint32_t, std::uint32_t>, CpuidRegisters> leaves;
  std::map<int, std::uint32_t> kinds;  ///< Leaf 1Ah's kind of core, by CPU.
  std::uint64_t state = 0;
  bool tiles = false;
  [[nodiscard]] std::optional<CpuidRegisters> cpuid(std::uint32_t leaf,
                                                    std::uint32_t subleaf) const override {
    const auto found = leaves.find({leaf, subleaf});
    return found == leaves.end() ? CpuidRegisters{} : found->second;
  }
  [[nodiscard]] std::optional<CpuidRegisters> cpuid_on(int cpu, std::uint32_t, std::uint32_t) const override {
    const auto found = kinds.find(cpu);
    if (found == kinds.end()) return std::nullopt;
    return CpuidRegisters{found->second << 24U, 0, 0, 0};
  }
  [[nodiscard]] std::uint64_t enabled_state() const override { return state; }
  [[nodiscard]] bool tiles_permitted() const override { return tiles; }
  [[nodiscard]] std::optional<std::array<std::uint64_t, 2>> arm_capabilities() const override {
    return std::nullopt;
  }
};

/// Says that AVX, AVX2, AVX-512F, AVX-512 VNNI and AMX exist; bits from Intel's manual.
WrittenProcessor sapphire_rapids() {
  WrittenProcessor processor;
  processor.leaves[{0, 0}] = {0x20, 0, 0, 0};
  processor.leaves[{1, 0}] = {0, 0, 1U << 27U | 1U << 28U, 0};
  processor.leaves[{7, 0}] = {1, 1U << 5U | 1U << 16U, 1U << 11U, 1U << 24U | 1U << 25U};
  processor.leaves[{7, 1}] = {1U << 5U, 0, 0, 0};
  return processor;
}

void add_core(TemporaryTree& tree, int cpu, const std::string& siblings, const std::string& package) {
  const std::string folder = cpu_folder(cpu) + "/topology/";
  tree.add(folder + "core_cpus_list", siblings + "\n").add(folder + "physical_package_id", package + "\n");
}

}  // namespace

TEST_CASE("an instruction set counts only if the kernel saves its registers") {
  auto processor = sapphire_rapids();
  processor.state = 0xe7;
  CHECK(x86_flags(processor) ==
        std::vector<std::string>{"avx", "avx2", "avx512_bf16", "avx512_vnni", "avx512f"});
  // AVX-512 switched off by the kernel or hypervisor.
  processor.state = 0x7;
  CHECK(x86_flags(processor) == std::vector<std::string>{"avx", "avx2"});
  processor.state = 0x3;
  CHECK(x86_flags(processor)->empty());
}

TEST_CASE("AMX needs the kernel's permission besides") {
  auto processor = sapphire_rapids();
  processor.state = 0x600e7;
  const auto refused = *x86_flags(processor);
  CHECK(std::count(refused.begin(), refused.end(), "amx_int8") == 0);
  processor.tiles = true;
  const auto flags = *x86_flags(processor);
  CHECK(std::count(flags.begin(), flags.end(), "amx_int8") == 1);
  CHECK(std::count(flags.begin(), flags.end(), "amx_tile") == 1);
}

TEST_CASE("a subleaf that the processor does not have is not read") {
  auto processor = sapphire_rapids();
  processor.state = 0xe7;
  processor.leaves[{7, 0}][0] = 0;
  const auto flags = *x86_flags(processor);
  CHECK(std::count(flags.begin(), flags.end(), "avx512_bf16") == 0);
}

TEST_CASE("ARM capabilities carry the kernel's names") {
  // asimddp is bit 20 of AT_HWCAP, i8mm bit 13 of AT_HWCAP2 (Linux, elf_hwcaps).
  CHECK(arm_flags({1U << 20U | 1U << 1U, 1U << 13U}) == std::vector<std::string>{"asimd", "asimddp", "i8mm"});
}

TEST_CASE("offline CPUs, the first one among them, are not counted") {
  TemporaryTree tree;
  tree.add("/sys/devices/system/cpu/online", "1-3\n");
  add_core(tree, 0, "0-1", "0");
  add_core(tree, 1, "0-1", "0");
  add_core(tree, 2, "2-3", "0");
  add_core(tree, 3, "2-3", "0");
  const auto cpu = tree.probe().cpu;
  CHECK(cpu.logical_online.value == 3);
  CHECK(cpu.physical_cores.value == 2);
}

TEST_CASE("a list of online CPUs beyond the machine's own adds none") {
  TemporaryTree tree;
  tree.add("/sys/devices/system/cpu/online", "0-140\n");
  for (int cpu = 0; cpu < 8; ++cpu) add_core(tree, cpu, std::to_string(cpu), "0");
  CHECK(tree.probe().cpu.logical_online.value == 8);
}

TEST_CASE("a package number of -1 is unknown") {
  TemporaryTree tree;
  tree.add("/sys/devices/system/cpu/online", "0\n");
  add_core(tree, 0, "0", "-1");
  CHECK_FALSE(tree.probe().cpu.packages.known());
}

TEST_CASE("packages that share a cache are one chip") {
  TemporaryTree tree;
  tree.add("/sys/devices/system/cpu/online", "0-2\n");
  for (int cpu = 0; cpu < 3; ++cpu) {
    add_core(tree, cpu, std::to_string(cpu), std::to_string(cpu));
    const std::string cache = cpu_folder(cpu) + "/cache/index3/";
    tree.add(cache + "level", "3\n").add(cache + "type", "Unified\n").add(cache + "shared_cpu_list", "0-2\n");
  }
  const auto cpu = tree.probe().cpu;
  CHECK(cpu.packages.value == 1);
  REQUIRE(cpu.caches.size() == 1);
  CHECK(cpu.caches[0].instances == 1);
  // Phones omit the size.
  CHECK_FALSE(cpu.last_level_cache.known());
}

TEST_CASE("a CPU range beyond the machine does not add CPUs to nodes") {
  TemporaryTree tree;
  tree.add("/sys/devices/system/cpu/online", "0-7\n")
      .add("/sys/devices/system/node/online", "0\n")
      .add("/sys/devices/system/node/node0/cpulist", "0-140\n");
  CHECK(tree.probe().numa.at(0).cpus.size() == 8);
}

TEST_CASE("Intel's event sources tell performance from efficiency cores") {
  TemporaryTree tree;
  tree.add("/sys/devices/system/cpu/online", "0-3\n")
      .add("/sys/devices/cpu_core/cpus", "0-1\n")
      .add("/sys/devices/cpu_atom/cpus", "2-3\n")
      .add("/proc/cpuinfo", "processor : 0\nmodel name : Some Hybrid\nflags : avx2 avx_vnni vmx\n\n");
  add_core(tree, 0, "0-1", "0");
  add_core(tree, 1, "0-1", "0");
  add_core(tree, 2, "2", "0");
  add_core(tree, 3, "3", "0");
  const auto host = tree.probe();
  REQUIRE(host.cpu.kinds.size() == 2);
  CHECK(host.cpu.kinds[0].name.value == "performance");
  CHECK(host.cpu.kinds[0].threads_per_core == 2);
  CHECK(host.cpu.kinds[1].cores == 2);
  CHECK(host.effective.threads.value == 1);
  CHECK(host.effective.prompt_threads.value == 3);
  CHECK(host.cpu.isa.value == std::vector<std::string>{"avx2", "avx_vnni"});
  CHECK(host.cpu.vector_bits.value == 256);
}

TEST_CASE("without the kernel's event sources each core is asked for its kind") {
  /// A kernel that only has a processor.
  class Processor final : public SystemCalls {
   public:
    WrittenProcessor registers;
    [[nodiscard]] std::optional<std::vector<int>> affinity() const override { return std::nullopt; }
    [[nodiscard]] std::optional<Bytes> free_space(const std::string&) const override { return std::nullopt; }
    [[nodiscard]] std::optional<std::string> real_path(const std::string&) const override {
      return std::nullopt;
    }
    [[nodiscard]] std::optional<Bytes> physical_memory() const override { return std::nullopt; }
    [[nodiscard]] std::optional<std::string> machine() const override { return std::nullopt; }
    [[nodiscard]] const ProcessorRegisters& processor() const override { return registers; }
    [[nodiscard]] std::optional<std::string> memory_regions(const std::string&,
                                                            const std::string&) const override {
      return std::nullopt;
    }
    [[nodiscard]] Result<std::unique_ptr<DynamicLibrary>> open_library(
        const std::string& name) const override {
      return fail(ErrorCode::not_found, name);
    }
  };
  Processor system;
  system.registers = sapphire_rapids();
  // Leaf 7 says in edx bit 15 that cores differ, leaf 1Ah which kind answers: 40h Core, 20h Atom (Intel's
  // manual).
  system.registers.leaves[{7, 0}][3] |= 1U << 15U;
  system.registers.kinds = {{0, 0x40}, {1, 0x40}, {2, 0x20}};
  TemporaryTree tree;
  tree.add("/sys/devices/system/cpu/online", "0-3\n");
  const io::LocalFiles files;
  const RootedFiles rooted(files, tree.root());
  const auto kinds = gather({rooted, &system, nullptr, nullptr, ""}).cpu.kinds;
  REQUIRE(kinds.size() == 3);
  CHECK(kinds[0].name.value == "performance");
  CHECK(kinds[0].cores == 2);
  // The fourth could not be asked.
  CHECK(kinds[1].cpus == std::vector<int>{3});
  CHECK(kinds[2].name.value == "efficiency");
}

TEST_CASE("a phone decodes with all its fast cores, not only with the one that clocks highest") {
  // A Snapdragon 8 Gen 2: one Cortex-X3, two A715 and two A710, three A510.
  TemporaryTree tree;
  tree.add("/sys/devices/system/cpu/online", "0-7\n");
  std::string cpuinfo;
  const char* parts[] = {"0xd46", "0xd46", "0xd46", "0xd4d", "0xd4d", "0xd47", "0xd47", "0xd4e"};
  const char* kilohertz[] = {"2016000\n", "2803200\n", "3187200\n"};
  for (int cpu = 0; cpu < 8; ++cpu) {
    const std::string number = std::to_string(cpu);
    cpuinfo += "processor\t: " + number + "\nCPU implementer\t: 0x41\nCPU part\t: " + parts[cpu] + "\n\n";
    tree.add("/sys/devices/system/cpu/cpu" + number + "/cpufreq/cpuinfo_max_freq", kilohertz[cpu < 3   ? 0
                                                                                             : cpu < 7 ? 1
                                                                                                       : 2]);
  }
  tree.add("/proc/cpuinfo", cpuinfo);
  const auto host = tree.probe();
  CHECK(host.cpu.kinds.size() == 4);
  CHECK(host.effective.threads.value == 5);
  CHECK(host.effective.prompt_threads.value == 8);
}

TEST_CASE("damaged cpuinfo is survived") {
  CHECK(parse_cpuinfo("").processors.empty());
  CHECK(parse_cpuinfo(std::string("processor\0: 1\n: \n:\n", 19)).processors.size() == 1);
  CHECK(parse_cpuinfo("processor : 99999999999\nprocessor : -4\n").processors.empty());
}

TEST_CASE("x86's memory encryption is no matrix extension") {
  // An EPYC's line; "sme" means Scalable Matrix Extension on ARM only.
  CHECK(inference_flags("fpu sme sev avx2 smep") == std::vector<std::string>{"avx2"});
  CHECK(inference_flags("fp asimd sme smei16i64") == std::vector<std::string>{"asimd", "sme", "smei16i64"});
}
