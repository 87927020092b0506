#include <map>

#include <catch2/catch.hpp>

#include "llmsize/io/system_calls.hpp"
#include "llmsize/probe/gpus.hpp"
#include "llmsize/probe/mounts.hpp"
#include "llmsize/probe/smbios.hpp"
#include "support/temporary_tree.hpp"

using namespace llmsize;
using namespace llmsize::probe;
using llmsize::test::TemporaryTree;

namespace {

/// An SMBIOS 2.8 memory device with two strings; fields at their documented offsets.
std::string memory_device(unsigned megabytes, unsigned speed, const std::string& locator,
                          const std::string& bank) {
  std::string raw(0x28, '\0');
  const auto put = [&](std::size_t at, unsigned value) {
    raw[at] = static_cast<char>(value & 0xffU);
    raw[at + 1] = static_cast<char>(value >> 8U);
  };
  raw[0] = 17;
  raw[1] = 0x28;
  put(0x0c, megabytes);
  raw[0x10] = 1;
  raw[0x11] = 2;
  put(0x15, speed);
  put(0x20, speed);
  return raw + locator + '\0' + bank + '\0' + '\0';
}

}  // namespace

TEST_CASE("modules give capacity, speed and channel") {
  const auto dimm = parse_memory_device(memory_device(16384, 2400, "CPU1_DIMM_B2", "NODE 1"));
  REQUIRE(dimm);
  CHECK(dimm->size.value == gibibytes(16));
  CHECK(dimm->mega_transfers_per_second.value == 2400);
  CHECK(dimm->channel.value == 65);
}

TEST_CASE("labels of several makers name the channel") {
  CHECK(channel_of("DIMM_A1", "BANK 0") == 0);
  CHECK(channel_of("ChannelB-DIMM0", "BANK 2") == 1);
  CHECK(channel_of("DIMM 0", "P0 CHANNEL F") == 5);
  CHECK(channel_of("A12", "") == 0);
  CHECK(channel_of("P1-DIMMC1", "") == 66);
  CHECK(channel_of("Controller1-Channel0", "") == 0);
  CHECK(channel_of("slot", "") == -1);
}

TEST_CASE("empty slots and damaged structures are no modules") {
  CHECK_FALSE(parse_memory_device(memory_device(0, 0, "A1", "")).has_value());
  CHECK_FALSE(parse_memory_device(memory_device(0xffff, 0, "A1", "")).has_value());
  CHECK_FALSE(parse_memory_device("").has_value());
  CHECK_FALSE(parse_memory_device("\x11").has_value());
  CHECK_FALSE(parse_memory_device(std::string("\x11\xff", 2)).has_value());
  CHECK_FALSE(parse_memory_device(std::string("\x11\x02", 2) + std::string(100, '\xff')).has_value());
}

TEST_CASE("bandwidth is channels times speed times 8 bytes") {
  TemporaryTree tree;
  int number = 0;
  for (const char* label : {"DIMM_A1", "DIMM_A2", "DIMM_B1", "DIMM_B2"})
    tree.add("/sys/firmware/dmi/entries/17-" + std::to_string(number++) + "/raw",
             memory_device(8192, 3200, label, ""));
  const auto host = tree.probe();
  CHECK(host.dimms.size() == 4);
  // Two channels of DDR4-3200: 51.2 GB/s.
  CHECK(host.memory.bandwidth.value->per_second() == Approx(51.2e9));
}

TEST_CASE("letters that may stand for sockets give no bandwidth") {
  std::vector<Dimm> dimms;
  for (const char* label :
       {"DIMM_A1", "DIMM_A2", "DIMM_A3", "DIMM_A4", "DIMM_B1", "DIMM_B2", "DIMM_B3", "DIMM_B4"})
    dimms.push_back(
        {label, reported(gibibytes(4), ""), reported(1600, ""), reported(channel_of(label, ""), "")});
  CHECK_FALSE(module_bandwidth(dimms, 2).known());
}

TEST_CASE("storage is followed through encryption and volumes to the disk") {
  TemporaryTree tree;
  tree.add(
          "/proc/self/mountinfo",
          "20 1 253:1 / / rw - ext4 /dev/mapper/vg-root rw\n21 20 0:40 / /home rw - btrfs /dev/sda1 rw\n"
          "22 20 0:41 / /net rw - nfs4 server:/export rw\n23 20 0:42 / /with\\040blank rw - tmpfs tmpfs rw\n")
      .link("/sys/dev/block/253:1", "../../devices/virtual/block/dm-1")
      .link("/sys/class/block/dm-1", "../../devices/virtual/block/dm-1")
      .link("/sys/class/block/dm-0", "../../devices/virtual/block/dm-0")
      .add("/sys/devices/virtual/block/dm-1/slaves/dm-0/x", "")
      .add("/sys/devices/virtual/block/dm-0/slaves/nvme0n1p3/x", "")
      .link("/sys/class/block/nvme0n1p3", "../../devices/pci0/nvme/nvme0/nvme0n1/nvme0n1p3")
      .link("/sys/class/block/nvme0n1", "../../devices/pci0/nvme/nvme0/nvme0n1")
      .add("/sys/devices/pci0/nvme/nvme0/nvme0n1/nvme0n1p3/partition", "3\n")
      .link("/sys/class/block/sda1", "../../devices/pci0/ata1/block/sda/sda1")
      .link("/sys/class/block/sda", "../../devices/pci0/ata1/block/sda")
      .add("/sys/devices/pci0/ata1/block/sda/sda1/partition", "1\n")
      .add("/sys/devices/pci0/ata1/block/sda/queue/rotational", "1\n");
  CHECK(tree.probe("/srv").storage.at(0).kind.value == "nvme");
  CHECK(tree.probe("/home/me").storage.at(0).kind.value == "hdd");
  CHECK(tree.probe("/net/models").storage.at(0).kind.value == "network");
  CHECK(tree.probe("/with blank/a").storage.at(0).kind.value == "memory");
  CHECK_FALSE(tree.probe("/srv").storage.at(0).free.known());
}

TEST_CASE("a program that serves a file system is distant storage only where its kind is") {
  TemporaryTree tree;
  tree.add("/proc/self/mountinfo",
           "20 1 0:50 / / rw - fuse.mergerfs a:b rw\n21 1 0:51 / /far rw - fuse.sshfs me@nas:/a rw\n");
  CHECK_FALSE(tree.probe().storage.at(0).kind.known());
  CHECK(tree.probe("/far").storage.at(0).kind.value == "network");
}

TEST_CASE("a loop device is as fast as the disk that holds its file") {
  TemporaryTree tree;
  tree.add("/proc/self/mountinfo",
           "20 1 8:0 / / rw - ext4 /dev/sda rw\n21 1 7:0 / /img rw - squashfs /dev/loop0 ro\n"
           "22 1 7:1 / /gone rw - squashfs /dev/loop1 ro\n")
      .link("/sys/dev/block/7:0", "../../devices/virtual/block/loop0")
      .link("/sys/dev/block/7:1", "../../devices/virtual/block/loop1")
      .link("/sys/dev/block/8:0", "../../devices/pci0/sda")
      .link("/sys/class/block/loop0", "../../devices/virtual/block/loop0")
      .link("/sys/class/block/loop1", "../../devices/virtual/block/loop1")
      .link("/sys/class/block/sda", "../../devices/pci0/sda")
      .add("/sys/devices/virtual/block/loop0/loop/backing_file", "/srv/models.img\n")
      .add("/sys/devices/virtual/block/loop0/queue/rotational", "1\n")
      .add("/sys/devices/virtual/block/loop1/queue/rotational", "1\n")
      .add("/sys/devices/pci0/sda/queue/rotational", "0\n");
  CHECK(tree.probe("/img").storage.at(0).kind.value == "ssd");
  CHECK_FALSE(tree.probe("/gone").storage.at(0).kind.known());
}

TEST_CASE("a loop of block devices ends") {
  TemporaryTree tree;
  tree.add("/proc/self/mountinfo", "20 1 253:0 / / rw - ext4 /dev/dm-0 rw\n")
      .link("/sys/dev/block/253:0", "../../devices/virtual/block/dm-0")
      .link("/sys/class/block/dm-0", "../../devices/virtual/block/dm-0")
      .link("/sys/class/block/dm-1", "../../devices/virtual/block/dm-1")
      .add("/sys/devices/virtual/block/dm-0/slaves/dm-1/x", "")
      .add("/sys/devices/virtual/block/dm-1/slaves/dm-0/x", "");
  CHECK_FALSE(tree.probe().storage.at(0).kind.known());
}

TEST_CASE("an overlay does not show what backs it") {
  TemporaryTree tree;
  tree.add("/proc/self/mountinfo", "20 1 0:50 / / rw - overlay overlay rw\nbroken line\n9 9 9 9 9 9 -\n");
  const auto storage = tree.probe().storage.at(0);
  CHECK(storage.filesystem.value == "overlay");
  CHECK_FALSE(storage.kind.known());
}

TEST_CASE("links cannot lead out of a recorded tree, and loops end") {
  TemporaryTree tree;
  tree.link("/proc/meminfo", "/etc/hostname").link("/a", "b").link("/b", "a").link("/up", "../../../../etc");
  tree.add("/etc/hostname", "MemTotal: 4 kB\n");
  const io::LocalFiles files;
  const RootedFiles rooted(files, tree.root());
  CHECK(tree.probe().memory.total.value == kibibytes(4));
  CHECK_FALSE(rooted.read_text("/a").has_value());
  CHECK(rooted.read_text("/up/hostname").has_value());
  CHECK_FALSE(rooted.exists("/up/passwd"));
}

TEST_CASE("NVML: memory, slices in place of the sliced GPU, and shared memory") {
  const io::LocalSystem system;
  const auto library = system.open_library(LLMSIZE_FAKE_NVML);
  REQUIRE(library);
  const auto devices = nvml_devices(**library);
  REQUIRE(devices);
  const auto gpus = nvml_gpus(*devices);
  REQUIRE(gpus.size() == 4);
  CHECK(gpus[0].name == "NVIDIA GeForce RTX 4090");
  CHECK(gpus[0].memory_total.value == Bytes(25757220864));
  // 384 bits x 10501 MHz x 2 / 8: the 1008 GB/s of the data sheet.
  CHECK(gpus[0].bandwidth.value->per_second() == Approx(1008.1e9).epsilon(0.001));
  // 16384 cores x 2520 MHz x 2: the data sheet's 82.6 TFLOPS.
  CHECK(*gpus[0].fp32_tflops.value == Approx(82.58).epsilon(0.001));
  CHECK(gpus[1].id == "MIG-3");
  CHECK(gpus[2].id == "MIG-4");
  CHECK_FALSE(gpus[1].bandwidth.known());
  CHECK(gpus[3].unified);
  CHECK(gpus[3].pool_id == "system");
  CHECK_FALSE(gpus[3].memory_total.known());
}

TEST_CASE("a library without the functions is refused") {
  class Empty final : public DynamicLibrary {
    [[nodiscard]] void* symbol(const char*) const override { return nullptr; }
  };
  CHECK_FALSE(nvml_devices(Empty()).has_value());
}

TEST_CASE("a visible-devices variable picks and orders, up to the first that does not exist") {
  const std::vector<std::string> ids = {"GPU-aa", "GPU-bb", "GPU-cc"};
  CHECK(visible_devices(std::nullopt, ids) == std::vector<std::size_t>{0, 1, 2});
  CHECK(visible_devices("2,0", ids) == std::vector<std::size_t>{2, 0});
  CHECK(visible_devices("GPU-b", ids) == std::vector<std::size_t>{1});
  CHECK(visible_devices("0,9,1", ids) == std::vector<std::size_t>{0});
  CHECK(visible_devices("", ids).empty());
  CHECK(visible_devices("-1", ids).empty());
}

TEST_CASE("GPUs are counted as CUDA counts them: the fastest first, or by their place on the bus") {
  const auto gpu = [](const char* name, double rate) {
    GpuFacts facts;
    facts.name = name;
    facts.id = name;
    if (rate > 0) facts.fp32_tflops = derived(rate, "test");
    return facts;
  };
  const std::vector<GpuFacts> by_bus = {gpu("T4", 8), gpu("A100", 19), gpu("T4", 8)};
  const auto ordered = [](std::vector<GpuFacts> gpus, const std::optional<std::string>& order) {
    const bool certain = order_as_cuda(order, gpus);
    return std::pair(gpus.front().name, certain);
  };
  CHECK(ordered(by_bus, std::nullopt) == std::pair(std::string("A100"), true));
  CHECK(ordered(by_bus, "FASTEST_FIRST") == std::pair(std::string("A100"), true));
  CHECK(ordered(by_bus, "PCI_BUS_ID") == std::pair(std::string("T4"), true));
  CHECK(ordered({gpu("T4", 0), gpu("A100", 19)}, std::nullopt) == std::pair(std::string("T4"), false));
  CHECK(ordered({gpu("T4", 0), gpu("T4", 0)}, std::nullopt).second);
}

TEST_CASE("an Intel driver's memory regions are understood, and what is torn is not") {
  // i915_drm.h: 16 bytes of header, regions of 88 bytes: class, instance, a reserved word, total,
  // unallocated.
  std::string answer(16 + 2 * 88, '\0');
  answer[0] = 2;
  answer[16 + 8 + 4] = 7;  // The system's memory does not count.
  answer[16 + 88] = 1;     // The device's own: 8 GiB, 6 GiB of them free.
  answer[16 + 88 + 8 + 4] = 2;
  answer[16 + 88 + 16 + 4] = 1;
  answer[16 + 88 + 16 + 3] = '\x80';
  const auto memory = parse_memory_regions(answer, "i915");
  REQUIRE(memory);
  CHECK(memory->total == gibibytes(8));
  CHECK(memory->free == gibibytes(6));
  // Without the right to know, all of it seems free.
  answer[16 + 88 + 16 + 4] = 2;
  answer[16 + 88 + 16 + 3] = 0;
  CHECK_FALSE(parse_memory_regions(answer, "i915")->free.has_value());
  CHECK_FALSE(parse_memory_regions(answer.substr(0, 100), "i915").has_value());
  CHECK_FALSE(parse_memory_regions(answer, "nouveau").has_value());
  CHECK_FALSE(parse_memory_regions(std::string(4, '\xff'), "xe").has_value());
}

TEST_CASE("nvidia-smi's table is understood, also for a GPU without memory of its own") {
  const auto gpus =
      parse_nvidia_smi("NVIDIA L4, GPU-1, 23034, 22000\nNVIDIA GB10, GPU-2, [N/A], [N/A]\ngarbage\n");
  REQUIRE(gpus.size() == 2);
  CHECK(gpus[0].memory_total.value == mebibytes(23034));
  CHECK(gpus[1].unified);
}

TEST_CASE("llama-server's list of devices is understood") {
  // The form of llama.cpp b6000's common/arg.cpp.
  const auto gpus = parse_device_list(
      "ggml_cuda_init: found 1 CUDA devices:\nAvailable devices:\n"
      "  CUDA0: NVIDIA GeForce RTX 3090 (24115 MiB, 23587 MiB free)\n"
      "  Vulkan1: AMD Radeon RX 6800 (RADV NAVI21) (16368 MiB, 16000 MiB free)\n"
      "  BLAS: OpenBLAS (0 MiB, 9 MiB free)\n  X: (1 MiB\n  Y: z (99999999999999999 MiB, 1 MiB free)\n");
  REQUIRE(gpus.size() == 3);
  CHECK(gpus[0].name == "NVIDIA GeForce RTX 3090");
  CHECK(gpus[0].backend.value == "cuda");
  CHECK(gpus[0].vendor == "NVIDIA");
  CHECK(gpus[0].memory_total.value == mebibytes(24115));
  CHECK(gpus[0].memory_free.value == mebibytes(23587));
  CHECK(gpus[1].name == "AMD Radeon RX 6800 (RADV NAVI21)");
  CHECK(gpus[1].backend.value == "vulkan");
  CHECK(gpus[2].memory_free.value == Bytes());
}

namespace {

/// Programs that a test wrote.
class WrittenCommands final : public CommandRunner {
 public:
  std::map<std::string, std::string> outputs;
  Result<CommandOutput> run(const std::vector<std::string>& arguments, double) const override {
    const auto found = outputs.find(arguments.front());
    if (found == outputs.end()) return fail(ErrorCode::not_found, arguments.front());
    return CommandOutput{0, found->second};
  }
};

}  // namespace

TEST_CASE("programs are asked where files and libraries say nothing of a GPU") {
  WrittenCommands commands;
  commands.outputs = {
      {"nvidia-smi", "NVIDIA L4, GPU-1, 23034, 22000\n"},
      {"llama-server", "Available devices:\n  Vulkan0: Intel Arc A770 (15473 MiB, 15000 MiB free)\n"}};
  const auto probe = [&](const TemporaryTree& tree) {
    const io::LocalFiles files;
    const RootedFiles rooted(files, tree.root());
    return gather({rooted, nullptr, &commands, nullptr, ""}).gpus;
  };
  const TemporaryTree empty;
  CHECK(probe(empty).empty());
  TemporaryTree nvidia;
  nvidia.add("/proc/driver/nvidia/version", "");
  REQUIRE(probe(nvidia).size() == 1);
  CHECK(probe(nvidia)[0].name == "NVIDIA L4");
  TemporaryTree intel;
  intel.add("/dev/dri/card0", "").add("/sys/class/drm/card0/device/vendor", "0x8086\n");
  intel.add("/sys/class/drm/card0/device/uevent", "PCI_SLOT_NAME=0000:03:00.0\n");
  REQUIRE(probe(intel).size() == 1);
  CHECK(probe(intel)[0].memory_total.value == mebibytes(15473));
  // Two cards alike are two, and one that two backends reach is one.
  commands.outputs["llama-server"] =
      "  ROCm0: AMD Radeon X (100 MiB, 90 MiB free)\n  ROCm1: AMD Radeon X (100 MiB, 90 MiB free)\n"
      "  Vulkan0: AMD Radeon X (RADV NAVI) (100 MiB, 90 MiB free)\n";
  CHECK(probe(intel).size() == 2);
  // A card that another source knows is not listed again.
  intel.add("/sys/class/drm/card1/device/vendor", "0x1002\n")
      .add("/sys/class/drm/card1/device/product_name", "AMD Radeon X\n")
      .add("/sys/class/drm/card1/device/mem_info_vram_total", "100\n");
  CHECK(probe(intel).size() == 1);
  // What is part of the chip is no memory beside the system's.
  TemporaryTree chip;
  chip.add("/dev/dri/card0", "")
      .add("/sys/class/drm/card0/device/uevent", "OF_COMPATIBLE_0=apple,agx-g13g\n");
  REQUIRE(probe(chip).size() == 2);
  CHECK(probe(chip)[0].unified);
  CHECK(probe(chip)[0].pool_id == "system");
}

TEST_CASE("variables of AMD and Intel hide GPUs as their runtimes read them") {
  class Variables final : public Environment {
   public:
    std::map<std::string, std::string> values;
    [[nodiscard]] std::optional<std::string> variable(const std::string& name) const override {
      const auto found = values.find(name);
      return found == values.end() ? std::nullopt : std::optional(found->second);
    }
  };
  TemporaryTree tree;
  for (int card = 0; card < 4; ++card) {
    const std::string device = "/sys/class/drm/card" + std::to_string(card) + "/device/";
    tree.add(device + "vendor", card < 2 ? "0x1002\n" : "0x8086\n")
        .add(device + "mem_info_vram_total", "1000\n")
        .add(device + "uevent", "PCI_SLOT_NAME=0000:0" + std::to_string(card) + ":00.0\n");
  }
  const auto seen = [&](std::map<std::string, std::string> values) {
    Variables variables;
    variables.values = std::move(values);
    const io::LocalFiles files;
    const RootedFiles rooted(files, tree.root());
    return gather({rooted, nullptr, nullptr, &variables, ""}).gpus.size();
  };
  CHECK(seen({}) == 4);
  // Parts of Intel's first card; the second AMD card, by CUDA's name for it; UUIDs, which no file states.
  CHECK(seen({{"ZE_AFFINITY_MASK", "0.0,0.1"}}) == 3);
  CHECK(seen({{"CUDA_VISIBLE_DEVICES", "1"}}) == 3);
  CHECK(seen({{"ROCR_VISIBLE_DEVICES", "GPU-5f1"}}) == 4);
}

TEST_CASE("a Jetson's GPU is known by the device tree and shares the system's memory") {
  TemporaryTree tree;
  tree.add("/proc/device-tree/compatible", std::string("nvidia,p3737-0000+p3701-0005\0nvidia,tegra234\0", 46))
      .add("/proc/device-tree/model", std::string("NVIDIA Jetson AGX Orin Developer Kit\0", 37));
  const auto gpus = tree.probe().gpus;
  REQUIRE(gpus.size() == 1);
  CHECK(gpus[0].name == "NVIDIA Jetson AGX Orin Developer Kit");
  CHECK(gpus[0].pool_id == "system");
  CHECK_FALSE(gpus[0].memory_total.known());
}

TEST_CASE("AMD's own table names a card by device and revision") {
  const char* table =
      "# comment\n1.0.0\n744C,\tC8,\tAMD Radeon RX 7900 XTX\n744C,\tCC,\tAMD Radeon RX 7900 XT\n";
  CHECK(amd_marketing_name(table, "0x744c", "0xc8") == "AMD Radeon RX 7900 XTX");
  CHECK(amd_marketing_name(table, "0x744c", "0xcc") == "AMD Radeon RX 7900 XT");
  CHECK(amd_marketing_name(table, "0x744c", "0x01").empty());
  CHECK(amd_marketing_name(table, "unknown", "0xcc").empty());
}

TEST_CASE("AMD cards and processors with graphics are told apart by the metrics' format") {
  TemporaryTree tree;
  const auto card = [&](int number, char format) {
    const std::string device = "/sys/class/drm/card" + std::to_string(number) + "/device/";
    tree.add(device + "vendor", "0x1002\n")
        .add(device + "device", "0x744c\n")
        .add(device + "uevent", "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:03:00.0\n")
        .add(device + "mem_info_vram_total", "1000\n")
        .add(device + "mem_info_vram_used", "400\n")
        .add(device + "mem_info_gtt_total", "5000\n")
        .add(device + "gpu_metrics", std::string{'\x78', '\0', format, '\0'});
  };
  card(0, 1);
  card(1, 2);
  const auto gpus = tree.probe().gpus;
  REQUIRE(gpus.size() == 2);
  CHECK_FALSE(gpus[0].unified);
  CHECK(gpus[0].memory_free.value == Bytes(600));
  CHECK(gpus[1].unified);
  CHECK(gpus[1].pool_id == "system");
  CHECK(gpus[1].memory_total.value == Bytes(6000));
}

TEST_CASE("Intel graphics inside the processor share the system's memory") {
  TemporaryTree tree;
  tree.add("/sys/class/drm/card0/device/vendor", "0x8086\n")
      .add("/sys/class/drm/card0/device/uevent", "PCI_SLOT_NAME=0000:00:02.0\n");
  const auto gpus = tree.probe().gpus;
  REQUIRE(gpus.size() == 1);
  CHECK(gpus[0].unified);
}
