#include "llmsize/probe/recording.hpp"

#include <cstdlib>
#include <fstream>

#include <catch2/catch.hpp>

#include "llmsize/io/system_calls.hpp"
#include "llmsize/probe/gpus.hpp"
#include "llmsize/probe/recorded_answers.hpp"
#include "llmsize/render/host.hpp"
#include "support/temporary_tree.hpp"

using namespace llmsize;
using namespace llmsize::probe;
using llmsize::test::TemporaryTree;

namespace {

/// A memory module's structure (SMBIOS 3.7, 7.18): 2 GiB at 3200 MT/s in "DIMM_A1" of "BANK 0", by a maker
/// with serial and part numbers.
std::string memory_module() {
  std::string raw(0x28, '\0');
  raw[0] = 17;
  raw[1] = 0x28;
  raw[0x0d] = 0x08;
  raw[0x10] = 1;
  raw[0x11] = 2;
  raw[0x15] = '\x80';
  raw[0x16] = 0x0c;
  raw[0x17] = 3;
  raw[0x18] = 4;
  raw[0x1a] = 5;
  for (const char* text : {"DIMM_A1", "BANK 0", "Maker", "SERIAL9", "PART7"})
    raw += text + std::string(1, '\0');
  return raw + '\0';
}

/// The tree that an archive unpacks to.
std::string unpacked(const TemporaryTree& into, const std::string& archive) {
  std::ofstream(into.root() + "/a.tar", std::ios::binary) << archive;
  REQUIRE(std::system(("cd '" + into.root() + "' && tar -xf a.tar").c_str()) == 0);
  return into.root();
}

Host look(const FileReader& files, const std::string& root) {
  return gather({RootedFiles(files, root), nullptr, nullptr, nullptr, ""});
}

}  // namespace

TEST_CASE("a recording replays to the same facts, and keeps no secrets") {
  TemporaryTree original;
  const std::string deep =
      "/sys/devices/pci0000:00/" + std::string(60, 'a') + "/" + std::string(60, 'b') + "/block/sda";
  original.add("/proc/meminfo", "MemTotal: 4000 kB\nMemAvailable: 3000 kB\n")
      .add("/etc/machine-id", "5ec2e700112233445566778899aabbcc\n")
      .add("/etc/hostname", "rack1\n")
      .add("/proc/1/environ", std::string("PASSWORD=secret\0container=lxc\0", 30))
      .add("/proc/self/status", "Name: secret\nCpus_allowed_list:\t0\nMems_allowed_list:\t0\n")
      .add("/proc/version", "Linux version 6.1 (secret@host) gcc\n")
      .add("/proc/cpuinfo", "processor : 0\nmodel name : X\n\nSerial : secret\n")
      .add("/proc/sysinfo", "LPAR UUID: secret\nVM00 Name: secret\nVM00 Control Program: z/VM 7\n")
      .add("/proc/driver/nvidia/gpus/0/information", "Model: X\nGPU UUID: GPU-secret\n")
      .add("/proc/self/mountinfo",
           "20 1 8:0 / / rw - ext4 /dev/sda rw,secret\n"
           "21 1 0:9 / /net rw - cifs //user:secret@nas/a rw,username=secret\n"
           "22 1 0:8 / /sys/fs/cgroup rw - cgroup none rw,memory\n")
      .add("/proc/self/cgroup", "4:memory:/a\n")
      .add("/sys/fs/cgroup/a/memory.limit_in_bytes", "2048000\n")
      .add("/sys/fs/cgroup/a/memory.usage_in_bytes", "0\n")
      .add("/sys/firmware/dmi/entries/17-0/raw", memory_module())
      .add("/sys/devices/system/cpu/online", "0-1\n")
      .link("/sys/dev/block/8:0", "../.." + deep.substr(4))
      .link("/sys/class/block/sda", "../.." + deep.substr(4))
      .add(deep + "/queue/rotational", "0\n");
  const io::LocalFiles files;
  const Host before = look(files, original.root());
  CHECK(before.storage.at(0).kind.value == "ssd");
  CHECK(before.platform.container.value == "lxc");
  CHECK(before.platform.virtualization.value == "z/vm");
  CHECK(before.limits.memory_available.value == Bytes(2048000));
  CHECK(before.dimms.at(0).size.value == gibibytes(2));
  CHECK(before.identity.machine_id.known());
  CHECK(before.gpus.at(0).name == "X");

  const RecordingFiles recording(files, original.root());
  const Host during = look(recording, original.root());
  const std::string archive = recording.archive();
  for (const char* secret : {"secret", "5ec2e7", "SERIAL9", "PART7", "Maker"})
    CHECK(archive.find(secret) == std::string::npos);
  const TemporaryTree copy;
  const Host after = look(files, unpacked(copy, archive));
  CHECK(render::host_json(during, std::nullopt) == render::host_json(before, std::nullopt));
  CHECK(render::host_json(after, std::nullopt) == render::host_json(before, std::nullopt));
}

TEST_CASE("a recording can leave out which machine it is of") {
  TemporaryTree original;
  original.add("/etc/machine-id", "5ec2e700112233445566778899aabbcc\n").add("/etc/hostname", "rack1\n");
  const io::LocalFiles files;
  const RecordingFiles recording(files, original.root(), false);
  const Host during = look(recording, original.root());
  CHECK_FALSE(during.identity.host_name.known());
  CHECK_FALSE(during.identity.machine_id.known());
  const TemporaryTree copy;
  const Host after = look(files, unpacked(copy, recording.archive()));
  CHECK(render::host_json(after, std::nullopt) == render::host_json(during, std::nullopt));
  CHECK(recording.archive().find("rack1") == std::string::npos);
}

TEST_CASE("what is read twice while recording is the same both times") {
  TemporaryTree original;
  original.add("/proc/meminfo", "MemTotal: 1 kB\n");
  const io::LocalFiles files;
  const RecordingFiles recording(files, original.root());
  const auto first = recording.read_text(original.root() + "/proc/meminfo");
  original.add("/proc/meminfo", "MemTotal: 2 kB\n");
  CHECK(recording.read_text(original.root() + "/proc/meminfo").value() == first.value());
}

namespace {

/// A kernel and a processor that a test wrote.
class WrittenSystem : public SystemCalls, public ProcessorRegisters {
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
    return fail(ErrorCode::not_found, "no library");
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

namespace {

/// A machine with the tests' NVIDIA library.
class NvidiaSystem final : public WrittenSystem {
 public:
  [[nodiscard]] Result<std::unique_ptr<DynamicLibrary>> open_library(const std::string&) const override {
    return io::LocalSystem().open_library(LLMSIZE_FAKE_NVML);
  }
};
class NvidiaEnvironment final : public Environment {
 public:
  [[nodiscard]] std::optional<std::string> variable(const std::string& name) const override {
    return name == "CUDA_VISIBLE_DEVICES" ? std::optional<std::string>("MIG-4,GPU-0") : std::nullopt;
  }
};

}  // namespace

TEST_CASE("what NVIDIA's library answered is replayed, with its UUIDs or without") {
  TemporaryTree original;
  original.add("/dev/nvidiactl", "");
  const io::LocalFiles files;
  const RootedFiles rooted(files, original.root());
  const NvidiaSystem system;
  const NvidiaEnvironment environment;
  const auto same_in_a_replay = [&](bool hides_uuids) {
    const AnswerRecorder recorder(system, nullptr, environment);
    const Host host = gather(
        {rooted, &recorder.system(), nullptr, &recorder.environment(), "", &recorder.answers(), hides_uuids});
    const std::string text = recorder.answers().text();
    const AnswerReplay replay{Answers(text)};
    const Host after =
        gather({rooted, &replay.system(), &replay.commands(), &replay.environment(), "", &replay.answers()});
    CHECK(render::host_json(after, std::nullopt) == render::host_json(host, std::nullopt));
    CHECK((text.find("MIG-4") == std::string::npos) == hides_uuids);
    CHECK((render::host_json(host, std::nullopt).find("MIG-4") == std::string::npos) == hides_uuids);
    REQUIRE(host.gpus.size() == 2);
    CHECK(host.gpus[0].memory_total.value == Bytes(42000000000));
    CHECK(host.gpus[1].name == "NVIDIA GeForce RTX 4090");
    CHECK(host.gpus[1].bandwidth.known());
  };
  same_in_a_replay(false);
  same_in_a_replay(true);
  CHECK(parse_nvml_text("1 2\n\t\t\n1 0 5 6 0 0 0 0\tfree beyond total\tx\n").empty());
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
