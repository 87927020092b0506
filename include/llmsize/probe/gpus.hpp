#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llmsize/core/host.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/ports/file_reader.hpp"
#include "llmsize/ports/system_calls.hpp"
#include "llmsize/probe/probe.hpp"

namespace llmsize::probe {

/// Positions of the devices that a variable such as CUDA_VISIBLE_DEVICES leaves visible, in its order:
/// indices or beginnings of `ids`, up to the first that names no device. Unset shows all; "" and "-1" none.
std::vector<std::size_t> visible_devices(const std::optional<std::string>& variable,
                                         const std::vector<std::string>& ids);

/// NVIDIA's programs number GPUs with the fastest first, unless CUDA_DEVICE_ORDER is PCI_BUS_ID; drivers list
/// them by their place on the bus. Puts them into the programs' order, by FP32 rate where every GPU's is
/// known; GPUs of one kind keep their order. False where kinds differ and nothing says which is faster.
bool order_as_cuda(const std::optional<std::string>& device_order, std::vector<GpuFacts>& gpus);

/// What NVIDIA's management library (NVML) answers about a GPU or a MIG slice; 0 and empty where it does not.
struct NvmlDevice {
  std::string name, uuid;
  std::int64_t total_bytes = 0, free_bytes = 0;
  bool shares_memory = false;  ///< It has none of its own.
  bool is_slice = false;
  unsigned bus_bits = 0, memory_megahertz = 0, cores = 0, core_megahertz = 0;
};
/// Asks the library: MIG slices in place of the sliced GPU. Errors: unsupported where the library lacks
/// functions or does not start.
Result<std::vector<NvmlDevice>> nvml_devices(const DynamicLibrary& library);
/// Facts of those; a GPU without memory of its own is unified.
std::vector<GpuFacts> nvml_gpus(const std::vector<NvmlDevice>& devices);
/// A line per device, for a recording, and its inverse, which leaves damaged lines out.
std::string nvml_text(const std::vector<NvmlDevice>& devices);
std::vector<NvmlDevice> parse_nvml_text(std::string_view text);

/// What `nvidia-smi --query-gpu=name,uuid,memory.total,memory.free --format=csv,noheader,nounits` prints.
std::vector<GpuFacts> parse_nvidia_smi(std::string_view text);

/// What `llama-server --list-devices` prints: "  CUDA0: NAME (24115 MiB, 23587 MiB free)". The backend is the
/// device's name without its number, in small letters.
std::vector<GpuFacts> parse_device_list(std::string_view text);

/// The name that libdrm's amdgpu.ids gives a device and revision (both as "0x744c"); empty where it has none.
std::string amd_marketing_name(std::string_view amdgpu_ids, std::string_view device,
                               std::string_view revision);

/// NVIDIA GPUs as the kernel driver lists them in /proc/driver/nvidia: names, and memory only where it is a
/// NUMA node.
std::vector<GpuFacts> nvidia_driver_gpus(const FileReader& files);

/// An AMD GPU by the sysfs folder of its device ("/sys/class/drm/card0/device").
GpuFacts amd_gpu(const FileReader& files, const std::string& device);
/// The same for Intel, whose driver is asked for the memory where there are system calls.
GpuFacts intel_gpu(const Surroundings& from, const std::string& device);

/// A device's own memory, and how much of it is free where the driver tells.
struct DeviceMemory {
  Bytes total;
  std::optional<Bytes> free;
};
/// What the "i915" or "xe" driver answers to the query of its memory regions; nothing where the device has
/// none of its own, or the answer is damaged.
std::optional<DeviceMemory> parse_memory_regions(std::string_view answer, std::string_view driver);

// Shared by the sources of GPUs.
/// What a program that lists GPUs prints; nothing where it is missing, fails or takes too long.
std::optional<std::string> listing(const Surroundings& from, const std::vector<std::string>& arguments);
/// The value of "KEY=value" in the device's uevent file; empty where there is none.
std::string uevent_value(const FileReader& files, const std::string& device, std::string_view key);
/// The device's number as sysfs writes it ("0x744c"), or "unknown".
std::string device_number(const FileReader& files, const std::string& device);
/// A size above 0 that fits; drivers write them in base 16.
std::optional<Bytes> hexadecimal_bytes(std::string_view text);
/// Marks a GPU that shares the system's memory: what it may take is the system's to say.
void make_unified(GpuFacts& gpu, std::string why);

}  // namespace llmsize::probe
