#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include "llmsize/probe/gpus.hpp"

namespace llmsize::probe {
namespace {

// The library's binary interface, as NVIDIA documents it (NVML API reference, r535).
using Device = void*;
struct MemoryInfo {
  unsigned long long total, free, used;
};
constexpr int success = 0, not_supported = 3;
constexpr unsigned core_clock = 1, memory_clock = 2;
constexpr unsigned text_length = 96;
/// More GPUs than any board has; a count beyond it is damage.
constexpr unsigned most_devices = 1024;

/// The library's functions that the probe uses. Those after `memory_info` are optional.
struct Functions {
  int (*start)() = nullptr;
  int (*stop)() = nullptr;
  int (*count)(unsigned*) = nullptr;
  int (*by_index)(unsigned, Device*) = nullptr;
  int (*name)(Device, char*, unsigned) = nullptr;
  int (*uuid)(Device, char*, unsigned) = nullptr;
  int (*memory_info)(Device, MemoryInfo*) = nullptr;
  int (*bus_width)(Device, unsigned*) = nullptr;
  int (*highest_clock)(Device, unsigned, unsigned*) = nullptr;
  int (*core_count)(Device, unsigned*) = nullptr;
  int (*slice_mode)(Device, unsigned*, unsigned*) = nullptr;
  int (*slice_count)(Device, unsigned*) = nullptr;
  int (*slice_by_index)(Device, unsigned, Device*) = nullptr;
};

template <class Function>
void bind(const DynamicLibrary& library, Function*& function, const char* symbol) {
  void* address = library.symbol(symbol);
  // Copying the bits is the portable way from an object's address to a function's.
  static_assert(sizeof function == sizeof address);
  std::memcpy(&function, &address, sizeof function);
}

Functions functions_of(const DynamicLibrary& library) {
  Functions f;
  bind(library, f.start, "nvmlInit_v2");
  bind(library, f.stop, "nvmlShutdown");
  bind(library, f.count, "nvmlDeviceGetCount_v2");
  bind(library, f.by_index, "nvmlDeviceGetHandleByIndex_v2");
  bind(library, f.name, "nvmlDeviceGetName");
  bind(library, f.uuid, "nvmlDeviceGetUUID");
  bind(library, f.memory_info, "nvmlDeviceGetMemoryInfo");
  bind(library, f.bus_width, "nvmlDeviceGetMemoryBusWidth");
  bind(library, f.highest_clock, "nvmlDeviceGetMaxClockInfo");
  bind(library, f.core_count, "nvmlDeviceGetNumGpuCores");
  bind(library, f.slice_mode, "nvmlDeviceGetMigMode");
  bind(library, f.slice_count, "nvmlDeviceGetMaxMigDeviceCount");
  bind(library, f.slice_by_index, "nvmlDeviceGetMigDeviceHandleByIndex");
  return f;
}

std::string text_of(int (*function)(Device, char*, unsigned), Device device) {
  std::array<char, text_length> text{};
  if (function(device, text.data(), text_length) != success) return {};
  text.back() = '\0';
  return text.data();
}

/// Two transfers in each cycle of the memory clock, over the whole bus.
Fact<BytesPerSecond> bandwidth_of(const Functions& f, Device device) {
  unsigned bits = 0, megahertz = 0;
  if (f.bus_width == nullptr || f.highest_clock == nullptr || f.bus_width(device, &bits) != success ||
      f.highest_clock(device, memory_clock, &megahertz) != success || bits == 0 || megahertz == 0)
    return unknown<BytesPerSecond>("NVML does not state the memory's bus and clock");
  constexpr double transfers_per_cycle = 2, bits_per_byte = 8, mega = 1e6;
  return derived(BytesPerSecond(transfers_per_cycle * megahertz * mega * bits / bits_per_byte),
                 fmt::format("NVML: {} bits x {} MHz x 2", bits, megahertz));
}

/// A multiply-add in each cycle of every core.
Fact<double> float_rate_of(const Functions& f, Device device) {
  unsigned cores = 0, megahertz = 0;
  if (f.core_count == nullptr || f.highest_clock == nullptr || f.core_count(device, &cores) != success ||
      f.highest_clock(device, core_clock, &megahertz) != success || cores == 0 || megahertz == 0)
    return unknown<double>("NVML does not state cores and clock");
  constexpr double operations = 2, tera_per_mega = 1e-6;
  return derived(operations * cores * megahertz * tera_per_mega,
                 fmt::format("NVML: {} cores x {} MHz x 2", cores, megahertz));
}

GpuFacts gpu_of(const Functions& f, Device device) {
  GpuFacts gpu;
  gpu.vendor = "NVIDIA";
  gpu.backend = derived(std::string("cuda"), "NVML");
  gpu.name = text_of(f.name, device);
  if (f.uuid != nullptr) gpu.id = text_of(f.uuid, device);
  gpu.pool_id = gpu.id;
  gpu.bandwidth = bandwidth_of(f, device);
  gpu.fp32_tflops = float_rate_of(f, device);
  MemoryInfo memory{};
  const int answer = f.memory_info(device, &memory);
  constexpr auto highest = static_cast<unsigned long long>(Bytes::highest);
  if (answer == success && memory.total < highest && memory.free <= memory.total) {
    gpu.memory_total = reported(Bytes(static_cast<std::int64_t>(memory.total)), "NVML");
    gpu.memory_free = reported(Bytes(static_cast<std::int64_t>(memory.free)), "NVML");
    return gpu;
  }
  const char* why = "NVML could not say";
  if (answer == not_supported) {
    // Parts such as GB10 and Jetson have no memory of their own.
    gpu.unified = true;
    gpu.pool_id = "system";
    why = "the GPU uses the system's memory";
  }
  gpu.memory_total = unknown<Bytes>(why);
  gpu.memory_free = unknown<Bytes>(why);
  return gpu;
}

/// The slices of a GPU in MIG mode; empty otherwise.
std::vector<Device> slices_of(const Functions& f, Device device) {
  unsigned current = 0, pending = 0, count = 0;
  std::vector<Device> slices;
  if (f.slice_mode == nullptr || f.slice_count == nullptr || f.slice_by_index == nullptr) return slices;
  if (f.slice_mode(device, &current, &pending) != success || current == 0) return slices;
  if (f.slice_count(device, &count) != success) return slices;
  for (unsigned index = 0; index < std::min(count, most_devices); ++index) {
    Device slice = nullptr;
    if (f.slice_by_index(device, index, &slice) == success && slice != nullptr) slices.push_back(slice);
  }
  return slices;
}

}  // namespace

Result<std::vector<GpuFacts>> nvml_gpus(const DynamicLibrary& library) {
  const Functions f = functions_of(library);
  if (f.start == nullptr || f.stop == nullptr || f.count == nullptr || f.by_index == nullptr ||
      f.name == nullptr || f.memory_info == nullptr)
    return fail(ErrorCode::unsupported, "the NVIDIA management library lacks functions",
                "Update the NVIDIA driver.");
  if (const int answer = f.start(); answer != success)
    return fail(ErrorCode::unsupported,
                fmt::format("the NVIDIA management library does not start (error {})", answer),
                "Check the driver with nvidia-smi.");
  std::vector<GpuFacts> gpus;
  unsigned count = 0;
  if (f.count(&count) != success) count = 0;
  for (unsigned index = 0; index < std::min(count, most_devices); ++index) {
    Device device = nullptr;
    if (f.by_index(index, &device) != success) continue;
    const auto slices = slices_of(f, device);
    if (slices.empty()) gpus.push_back(gpu_of(f, device));
    for (Device slice : slices) {
      gpus.push_back(gpu_of(f, slice));
      // A slice has a share of the bus that NVML does not state.
      gpus.back().bandwidth = unknown<BytesPerSecond>("a MIG slice's share is not stated");
      gpus.back().fp32_tflops = unknown<double>("a MIG slice's share is not stated");
    }
  }
  f.stop();
  return gpus;
}

}  // namespace llmsize::probe
