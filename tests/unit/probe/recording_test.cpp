#include "llmsize/probe/recording.hpp"

#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include <catch2/catch.hpp>

#include "llmsize/probe/recorded_answers.hpp"
#include "llmsize/render/host.hpp"
#include "support/temporary_tree.hpp"

using namespace llmsize;
using namespace llmsize::probe;
using llmsize::test::TemporaryTree;

TEST_CASE("a recording replays to the same facts, and keeps no secrets") {
  TemporaryTree original;
  const std::string deep =
      "/sys/devices/pci0000:00/" + std::string(60, 'a') + "/" + std::string(60, 'b') + "/block/sda";
  original.add("/proc/meminfo", "MemTotal: 4000 kB\nMemAvailable: 3000 kB\n")
      .add("/etc/machine-id", "5ec2e700112233445566778899aabbcc\n")
      .add("/proc/1/environ", std::string("PASSWORD=secret\0container=lxc\0", 30))
      .add("/proc/self/mountinfo", "20 1 8:0 / / rw - ext4 /dev/sda rw\n")
      .add("/sys/devices/system/cpu/online", "0-1\n")
      .link("/sys/dev/block/8:0", "../.." + deep.substr(4))
      .link("/sys/class/block/sda", "../.." + deep.substr(4))
      .add(deep + "/queue/rotational", "0\n");
  const io::LocalFiles files;
  const RecordingFiles recording(files);
  const RootedFiles rooted(recording, original.root());
  const Host before = gather({rooted, nullptr, nullptr, nullptr, ""});
  CHECK(before.storage.at(0).kind.value == "ssd");
  const std::string archive = recording.archive();
  CHECK(archive.find("secret") == std::string::npos);
  CHECK(archive.find("5ec2e7") == std::string::npos);

  const TemporaryTree copy;
  std::ofstream(copy.root() + "/a.tar", std::ios::binary) << archive;
  REQUIRE(std::system(("cd '" + copy.root() + "' && tar -xf a.tar").c_str()) == 0);
  const RootedFiles again(files, copy.root() + original.root());
  const Host after = gather({again, nullptr, nullptr, nullptr, ""});
  CHECK(after.memory.available.value == kibibytes(3000));
  CHECK(after.platform.container.value == "lxc");
  CHECK(after.storage.at(0).kind.value == "ssd");
  CHECK(after.cpu.logical_online.value == 2);
}

namespace {

/// A kernel and a processor that a test wrote.
class WrittenSystem final : public SystemCalls, public ProcessorRegisters {
 public:
  [[nodiscard]] std::optional<std::vector<int>> affinity() const override { return std::vector<int>{1}; }
  [[nodiscard]] std::optional<Bytes> free_space(const std::string&) const override { return gibibytes(7); }
  [[nodiscard]] std::optional<std::string> real_path(const std::string&) const override { return "/srv"; }
  [[nodiscard]] std::optional<Bytes> physical_memory() const override { return std::nullopt; }
  [[nodiscard]] std::optional<std::string> machine() const override { return "x86_64"; }
  [[nodiscard]] const ProcessorRegisters& processor() const override { return *this; }
  [[nodiscard]] std::optional<std::string> memory_regions(const std::string&,
                                                          const std::string& driver) const override {
    // One region of the device's own, 16 GiB, of which 1 GiB is in use (xe_drm.h).
    std::string answer(8 + 88, '\0');
    answer[0] = answer[8] = 1;
    answer[8 + 8 + 4] = 4;
    answer[8 + 16 + 3] = 0x40;
    return driver == "xe" ? std::optional(answer) : std::nullopt;
  }
  [[nodiscard]] Result<std::unique_ptr<DynamicLibrary>> open_library(const std::string&) const override {
    throw std::logic_error("a recording opens no library");
  }
  [[nodiscard]] std::optional<CpuidRegisters> cpuid(std::uint32_t leaf, std::uint32_t) const override {
    // Everything up to leaf 1Ah, every flag.
    return leaf == 0 ? CpuidRegisters{0x1a, 0, 0, 0} : CpuidRegisters{1, ~0U, ~0U, ~0U};
  }
  [[nodiscard]] std::optional<CpuidRegisters> cpuid_on(int cpu, std::uint32_t, std::uint32_t) const override {
    return CpuidRegisters{cpu == 0 ? 0x40U << 24U : 0x20U << 24U, 0, 0, 0};
  }
  [[nodiscard]] std::uint64_t enabled_state() const override { return 0xe7; }
  [[nodiscard]] bool tiles_permitted() const override { return false; }
  [[nodiscard]] std::optional<std::array<std::uint64_t, 2>> arm_capabilities() const override {
    return std::nullopt;
  }
};

class WrittenEnvironment final : public Environment {
 public:
  [[nodiscard]] std::optional<std::string> variable(const std::string& name) const override {
    return name == "HIP_VISIBLE_DEVICES" ? std::optional<std::string>("0\n\t\\") : std::nullopt;
  }
};

}  // namespace

TEST_CASE("what the kernel, the processor and the environment answered is replayed too") {
  TemporaryTree original;
  original.add("/proc/meminfo", "MemTotal: 4000 kB\nMemAvailable: 3000 kB\n")
      .add("/sys/devices/system/cpu/online", "0-1\n")
      .add("/proc/self/mountinfo", "20 1 8:0 / / rw - ext4 /dev/sda rw\n")
      .add("/sys/class/drm/card0/device/vendor", "0x8086\n")
      .add("/sys/class/drm/card0/device/uevent", "DRIVER=xe\nPCI_SLOT_NAME=0000:03:00.0\n")
      .add("/sys/class/drm/card0/device/drm/renderD128/dev", "226:128\n");
  const io::LocalFiles files;
  const RootedFiles rooted(files, original.root());
  const WrittenSystem system;
  const WrittenEnvironment environment;
  const AnswerRecorder recorder(system, nullptr, environment);
  const Host before = gather({rooted, &recorder.system(), recorder.commands(), &recorder.environment(), ""});
  CHECK(before.cpu.has_isa("avx512f"));
  CHECK_FALSE(before.cpu.has_isa("amx_int8"));
  CHECK(before.storage.at(0).free.value == gibibytes(7));
  CHECK(before.gpus.at(0).memory_total.value == gibibytes(16));
  CHECK(before.gpus.at(0).memory_free.value == gibibytes(15));
  CHECK(before.cpu.kinds.size() == 2);

  const std::string text = recorder.answers().text();
  const AnswerReplay replay{Answers(text)};
  const Host after = gather({rooted, &replay.system(), &replay.commands(), &replay.environment(), ""});
  CHECK(render::host_json(after, std::nullopt) == render::host_json(before, std::nullopt));
  CHECK(replay.environment().variable("HIP_VISIBLE_DEVICES") ==
        recorder.environment().variable("HIP_VISIBLE_DEVICES"));
  CHECK(Answers(text).text() == text);
  CHECK_FALSE(Answers("no tab\n\t\n").find("no tab").has_value());
}

TEST_CASE("a replay consults nothing of the running machine") {
  // Files only: the source of every fact is then a file below the root, or the lack of one.
  TemporaryTree tree;
  tree.add("/proc/meminfo", "MemTotal: 4000 kB\n").add("/proc/driver/nvidia/version", "").add("/dev/dxg", "");
  const std::string json = render::host_json(tree.probe(), std::nullopt);
  for (const char* asked : {"CPUID", "sysconf", "sched_getaffinity", "statvfs", "uname", "NVML", "nvidia-smi",
                            "llama-server", "\"basis\": \"measured\"", "VISIBLE_DEVICES"})
    CHECK(json.find(asked) == std::string::npos);
}
