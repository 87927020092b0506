// Any bytes as every file that the probe reads: facts or unknowns, never a crash, a hang or a huge
// allocation.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "llmsize/core/host_class.hpp"
#include "llmsize/probe/confidential.hpp"
#include "llmsize/probe/control_groups.hpp"
#include "llmsize/probe/cpu.hpp"
#include "llmsize/probe/gpus.hpp"
#include "llmsize/probe/limits.hpp"
#include "llmsize/probe/memory.hpp"
#include "llmsize/probe/mounts.hpp"
#include "llmsize/probe/platform.hpp"
#include "llmsize/probe/probe.hpp"
#include "llmsize/probe/recorded_answers.hpp"
#include "llmsize/probe/smbios.hpp"
#include "llmsize/probe/text.hpp"
#include "llmsize/render/host.hpp"
#include "support/memory_files.hpp"

using namespace llmsize;
using namespace llmsize::probe;

namespace {

/// The parts of the input between 0x1e bytes become the files, in this order.
constexpr std::array paths = {"/proc/meminfo",
                              "/proc/cpuinfo",
                              "/proc/self/mountinfo",
                              "/proc/self/cgroup",
                              "/sys/devices/system/cpu/online",
                              "/sys/devices/system/cpu/cpu0/topology/core_cpus_list",
                              "/sys/devices/system/cpu/cpu0/cache/index0/level",
                              "/sys/devices/system/cpu/cpu0/cache/index0/type",
                              "/sys/devices/system/cpu/cpu0/cache/index0/size",
                              "/sys/devices/system/node/online",
                              "/sys/devices/system/node/node0/cpulist",
                              "/sys/devices/system/node/node0/meminfo",
                              "/sys/fs/cgroup/memory.max",
                              "/sys/fs/cgroup/memory.stat",
                              "/sys/fs/cgroup/cpu.max",
                              "/proc/self/status",
                              "/proc/self/limits",
                              "/sys/firmware/dmi/entries/17-0/raw",
                              "/proc/version",
                              "/sys/class/drm/card0/device/vendor",
                              "/.llmsize/answers",
                              "/proc/spl/kstat/zfs/arcstats",
                              "/proc/driver/nvidia/gpus/0/numa_status",
                              "/sys/devices/system/cpu/cpu0/regs/identification/midr_el1",
                              "/sys/devices/system/cpu/cpu0/cpu_capacity",
                              "/sys/devices/cpu_core/cpus",
                              "/sys/bus/dax/devices/dax0.0/target_node",
                              "/sys/devices/system/node/node1/meminfo",
                              "/sys/devices/system/node/node1/cpumap",
                              "/sys/devices/system/node/node0/memory_side_cache/index1/size",
                              "/sys/devices/system/node/node0/access0/initiators/read_bandwidth",
                              "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
                              "/sys/kernel/mm/transparent_hugepage/enabled",
                              "/sys/class/drm/card0/device/mem_info_vram_total",
                              "/sys/class/drm/card0/device/lmem_total_bytes",
                              "/usr/share/libdrm/amdgpu.ids",
                              "/sys/fs/cgroup/memory.current",
                              "/sys/fs/cgroup/cpuset.mems.effective",
                              "/etc/os-release",
                              "/proc/1/environ"};

void probe_tree(const std::string& bytes) {
  test::MemoryFiles files;
  std::size_t begin = 0;
  for (const char* path : paths) {
    const auto end = bytes.find('\x1e', begin);
    files.add(path, bytes.substr(begin, end == std::string::npos ? end : end - begin));
    if (end == std::string::npos) break;
    begin = end + 1;
  }
  const AnswerReplay replay{Answers(files.read_text(recorded_answers_path).value_or(""))};
  static_cast<void>(gather({files, &replay.system(), &replay.commands(), &replay.environment(), ""}));
  const Host host = gather({files, nullptr, nullptr, nullptr, ""});
  const std::string json = render::host_json(host, std::nullopt);
  const auto again = render::host_from_json(json, "fuzz");
  if (!again) __builtin_trap();
  static_cast<void>(render::host_text(*again, std::nullopt, true));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length) {
  const std::string bytes(data, data + length);
  static_cast<void>(parse_cpu_list(bytes));
  static_cast<void>(parse_cpu_mask(bytes));
  static_cast<void>(parse_cpuinfo(bytes));
  static_cast<void>(available_memory(parse_meminfo(bytes)));
  static_cast<void>(parse_mountinfo(bytes));
  static_cast<void>(parse_mounts(bytes));
  static_cast<void>(parse_control_groups(bytes));
  static_cast<void>(parse_memory_device(bytes));
  static_cast<void>(channel_of(bytes, bytes));
  static_cast<void>(parse_nvidia_smi(bytes));
  static_cast<void>(parse_device_list(bytes));
  static_cast<void>(nvml_gpus(parse_nvml_text(bytes)));
  for (const char* driver : {"i915", "xe"}) static_cast<void>(parse_memory_regions(bytes, driver));
  static_cast<void>(amd_marketing_name(bytes, "0x744c", "0xc8"));
  static_cast<void>(parse_hexadecimal(bytes));
  static_cast<void>(parse_arc_reclaimable(bytes));
  static_cast<void>(parse_gpu_node(bytes));
  static_cast<void>(available_on_node(bytes, "fuzz"));
  static_cast<void>(parse_memlock(bytes));
  static_cast<void>(parse_os_release(bytes));
  static_cast<void>(parse_cache_size(bytes));
  for (const char* path : {"/proc/self/mountinfo", "/proc/mounts", "/proc/cpuinfo", "/proc/version",
                           "/proc/1/environ", "/etc/machine-id", "/x/raw"}) {
    // What is confidential is gone at once, and what is left is no more.
    const std::string recorded = without_secrets(path, bytes, true);
    if (without_secrets(path, recorded, true) != recorded) __builtin_trap();
  }
  // What was kept reads back to itself.
  const std::string kept = Answers(bytes).text();
  if (Answers(kept).text() != kept) __builtin_trap();
  if (const auto host = render::host_from_json(bytes, "fuzz")) {
    static_cast<void>(contradiction_in(*host));
    // A host is alike to itself.
    if (machine_classes({*host, *host}).size() != 1) __builtin_trap();
  }
  probe_tree(bytes);
  return 0;
}
