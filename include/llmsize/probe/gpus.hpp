#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llmsize/core/host.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/ports/file_reader.hpp"
#include "llmsize/ports/system_calls.hpp"

namespace llmsize::probe {

/// Positions of the devices that a variable such as CUDA_VISIBLE_DEVICES leaves visible, in its order:
/// indices or beginnings of `ids`, up to the first that names no device. Unset shows all; "" and "-1" none.
std::vector<std::size_t> visible_devices(const std::optional<std::string>& variable,
                                         const std::vector<std::string>& ids);

/// NVIDIA GPUs through the management library (NVML): MIG slices in place of the sliced GPU; a GPU without
/// memory of its own as unified. Errors: unsupported where the library lacks functions or does not start.
Result<std::vector<GpuFacts>> nvml_gpus(const DynamicLibrary& library);

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
/// The same for Intel.
GpuFacts intel_gpu(const FileReader& files, const std::string& device);

}  // namespace llmsize::probe
