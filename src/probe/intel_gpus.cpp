#include <cstring>

#include <fmt/format.h>

#include "llmsize/probe/gpus.hpp"
#include "llmsize/probe/text.hpp"

namespace llmsize::probe {
namespace {

/// Where a driver's answer keeps what: a header with the number of regions, then regions of one length that
/// begin with their class (1 is the device's own memory). Linux, include/uapi/drm/i915_drm.h and xe_drm.h.
struct RegionLayout {
  std::string_view driver;
  std::size_t header, region, total_at, rest_at;
  bool rest_is_used;  ///< Else it is what is free.
};
constexpr RegionLayout layouts[] = {{"i915", 16, 88, 8, 16, false}, {"xe", 8, 88, 8, 16, true}};
constexpr std::uint16_t device_class = 1;

template <class Number>
Number number_at(std::string_view bytes, std::size_t at) {
  Number number = 0;
  if (at + sizeof number <= bytes.size()) std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

/// The device's first node of this name in sysfs: "card1", or the one that needs no right to the screen,
/// "renderD128". Empty where there is none.
std::string node_named(const FileReader& files, const std::string& device, std::string_view prefix) {
  const auto names = files.list(device + "/drm");
  if (names)
    for (const auto& name : *names)
      if (name.starts_with(prefix)) return name;
  return {};
}

void ask_driver(const Surroundings& from, const std::string& device, GpuFacts& gpu) {
  const std::string name = node_named(from.files, device, "renderD"), node = "/dev/dri/" + name;
  const std::string driver = uevent_value(from.files, device, "DRIVER");
  if (from.system == nullptr || name.empty()) return;
  const auto answer = from.system->memory_regions(node, driver);
  const auto memory = answer ? parse_memory_regions(*answer, driver) : std::nullopt;
  if (!memory) return;
  const std::string source = fmt::format("the {} driver, memory regions of {}", driver, node);
  gpu.memory_total = reported(memory->total, source);
  if (memory->free)
    gpu.memory_free = reported(*memory->free, source);
  else
    gpu.memory_free = unknown<Bytes>("the driver tells only privileged users");
}

void read_files(const FileReader& files, const std::string& device, GpuFacts& gpu) {
  for (const std::string& file :
       {std::string("/tile0/physical_vram_size_bytes"), std::string("/lmem_total_bytes"),
        "/drm/" + node_named(files, device, "card") + "/lmem_total_bytes"}) {
    const auto text = read_trimmed(files, device + file);
    if (!text || gpu.memory_total.known()) continue;
    const auto decimal = parse_integer(*text);
    const auto bytes = text->starts_with("0x")   ? hexadecimal_bytes(*text)
                       : decimal && *decimal > 0 ? std::optional(Bytes(*decimal))
                                                 : std::nullopt;
    if (bytes) gpu.memory_total = reported(*bytes, device + file);
  }
}

}  // namespace

std::optional<DeviceMemory> parse_memory_regions(std::string_view answer, std::string_view driver) {
  for (const auto& layout : layouts) {
    if (layout.driver != driver) continue;
    const std::size_t count = number_at<std::uint32_t>(answer, 0);
    DeviceMemory memory;
    std::uint64_t total = 0, rest = 0;
    for (std::size_t i = 0; i < count && layout.header + (i + 1) * layout.region <= answer.size(); ++i) {
      const auto region = answer.substr(layout.header + i * layout.region, layout.region);
      if (number_at<std::uint16_t>(region, 0) != device_class) continue;
      total += number_at<std::uint64_t>(region, layout.total_at);
      rest += number_at<std::uint64_t>(region, layout.rest_at);
    }
    if (total == 0 || total >= static_cast<std::uint64_t>(Bytes::highest) || rest > total)
      return std::nullopt;
    memory.total = Bytes(static_cast<std::int64_t>(total));
    // The unprivileged are told that nothing is in use.
    const std::uint64_t used = layout.rest_is_used ? rest : total - rest;
    if (used > 0) memory.free = memory.total - Bytes(static_cast<std::int64_t>(used));
    return memory;
  }
  return std::nullopt;
}

GpuFacts intel_gpu(const Surroundings& from, const std::string& device) {
  GpuFacts gpu;
  gpu.vendor = "Intel";
  gpu.id = uevent_value(from.files, device, "PCI_SLOT_NAME");
  gpu.pool_id = gpu.id;
  gpu.name = fmt::format("Intel GPU {}", device_number(from.files, device));
  gpu.backend = derived(std::string("sycl"), "the i915 or xe driver");
  gpu.bandwidth = unknown<BytesPerSecond>("the driver does not state it");
  // Graphics inside a processor are device 2 on its first bus, on every generation.
  if (gpu.id.ends_with(":00:02.0")) {
    make_unified(gpu, "built into the processor: it uses the system's memory");
    return gpu;
  }
  gpu.memory_total = unknown<Bytes>("the driver does not state it");
  gpu.memory_free = unknown<Bytes>("the driver does not state it");
  ask_driver(from, device, gpu);
  read_files(from.files, device, gpu);
  return gpu;
}

}  // namespace llmsize::probe
