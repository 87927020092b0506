#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include "llmsize/probe/gpus.hpp"
#include "llmsize/probe/text.hpp"

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

/// A number that an optional function states; 0 where it does not.
template <class Function, class... Arguments>
unsigned number_of(Function* function, Device device, Arguments... arguments) {
  unsigned number = 0;
  return function != nullptr && function(device, arguments..., &number) == success ? number : 0;
}

NvmlDevice device_of(const Functions& f, Device device, bool is_slice) {
  NvmlDevice answers;
  answers.name = text_of(f.name, device);
  if (f.uuid != nullptr) answers.uuid = text_of(f.uuid, device);
  answers.is_slice = is_slice;
  MemoryInfo memory{};
  const int answer = f.memory_info(device, &memory);
  constexpr auto highest = static_cast<unsigned long long>(Bytes::highest);
  if (answer == success && memory.total < highest && memory.free <= memory.total) {
    answers.total_bytes = static_cast<std::int64_t>(memory.total);
    answers.free_bytes = static_cast<std::int64_t>(memory.free);
  }
  // Parts such as GB10 and Jetson.
  answers.shares_memory = answer == not_supported;
  answers.bus_bits = number_of(f.bus_width, device);
  answers.memory_megahertz = number_of(f.highest_clock, device, memory_clock);
  answers.cores = number_of(f.core_count, device);
  answers.core_megahertz = number_of(f.highest_clock, device, core_clock);
  return answers;
}

/// Two transfers in each cycle of the memory clock, over the whole bus.
Fact<BytesPerSecond> bandwidth_of(const NvmlDevice& device) {
  if (device.is_slice) return unknown<BytesPerSecond>("a MIG slice's share is not stated");
  if (device.bus_bits == 0 || device.memory_megahertz == 0)
    return unknown<BytesPerSecond>("NVML does not state the memory's bus and clock");
  constexpr double transfers_per_cycle = 2, bits_per_byte = 8, mega = 1e6;
  return derived(
      BytesPerSecond(transfers_per_cycle * device.memory_megahertz * mega * device.bus_bits / bits_per_byte),
      fmt::format("NVML: {} bits x {} MHz x 2", device.bus_bits, device.memory_megahertz));
}

/// A multiply-add in each cycle of every core.
Fact<double> float_rate_of(const NvmlDevice& device) {
  if (device.is_slice) return unknown<double>("a MIG slice's share is not stated");
  if (device.cores == 0 || device.core_megahertz == 0)
    return unknown<double>("NVML does not state cores and clock");
  constexpr double operations = 2, tera_per_mega = 1e-6;
  return derived(operations * device.cores * device.core_megahertz * tera_per_mega,
                 fmt::format("NVML: {} cores x {} MHz x 2", device.cores, device.core_megahertz));
}

GpuFacts facts_of(const NvmlDevice& device) {
  GpuFacts gpu;
  gpu.vendor = "NVIDIA";
  gpu.backend = derived(std::string("cuda"), "NVML");
  gpu.name = device.name;
  gpu.id = device.uuid;
  gpu.pool_id = gpu.id;
  gpu.bandwidth = bandwidth_of(device);
  gpu.fp32_tflops = float_rate_of(device);
  if (device.shares_memory) {
    make_unified(gpu, "the GPU uses the system's memory");
  } else if (device.total_bytes > 0) {
    gpu.memory_total = reported(Bytes(device.total_bytes), "NVML");
    gpu.memory_free = reported(Bytes(device.free_bytes), "NVML");
  } else {
    gpu.memory_total = unknown<Bytes>("NVML could not say");
    gpu.memory_free = unknown<Bytes>("NVML could not say");
  }
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

Result<std::vector<NvmlDevice>> nvml_devices(const DynamicLibrary& library) {
  const Functions f = functions_of(library);
  if (f.start == nullptr || f.stop == nullptr || f.count == nullptr || f.by_index == nullptr ||
      f.name == nullptr || f.memory_info == nullptr)
    return fail(ErrorCode::unsupported, "the NVIDIA management library lacks functions",
                "Update the NVIDIA driver.");
  if (const int answer = f.start(); answer != success)
    return fail(ErrorCode::unsupported,
                fmt::format("the NVIDIA management library does not start (error {})", answer),
                "Check the driver with nvidia-smi.");
  std::vector<NvmlDevice> devices;
  unsigned count = 0;
  if (f.count(&count) != success) count = 0;
  for (unsigned index = 0; index < std::min(count, most_devices); ++index) {
    Device device = nullptr;
    if (f.by_index(index, &device) != success) continue;
    const auto slices = slices_of(f, device);
    if (slices.empty()) devices.push_back(device_of(f, device, false));
    for (Device slice : slices) devices.push_back(device_of(f, slice, true));
  }
  f.stop();
  return devices;
}

std::vector<GpuFacts> nvml_gpus(const std::vector<NvmlDevice>& devices) {
  std::vector<GpuFacts> gpus;
  for (const auto& device : devices) gpus.push_back(facts_of(device));
  return gpus;
}

std::string nvml_text(const std::vector<NvmlDevice>& devices) {
  std::string text;
  for (const auto& d : devices)
    text +=
        fmt::format("{:d} {:d} {} {} {} {} {} {}\t{}\t{}\n", d.is_slice, d.shares_memory, d.total_bytes,
                    d.free_bytes, d.bus_bits, d.memory_megahertz, d.cores, d.core_megahertz, d.uuid, d.name);
  return text;
}

std::vector<NvmlDevice> parse_nvml_text(std::string_view text) {
  std::vector<NvmlDevice> devices;
  for (const auto line : lines_of(text)) {
    const auto first = line.find('\t'), second = line.find('\t', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    std::vector<std::int64_t> numbers;
    for (const auto field : fields_of(line.substr(0, first)))
      if (const auto number = parse_integer(field); number && *number >= 0 && *number < Bytes::highest)
        numbers.push_back(*number);
    constexpr std::size_t count = 8;
    if (numbers.size() != count || numbers[3] > numbers[2]) continue;
    const auto small = [&](std::size_t at) { return static_cast<unsigned>(numbers[at]); };
    devices.push_back({std::string(line.substr(second + 1)),
                       std::string(line.substr(first + 1, second - first - 1)), numbers[2], numbers[3],
                       numbers[1] != 0, numbers[0] != 0, small(4), small(5), small(6), small(7)});
  }
  return devices;
}

}  // namespace llmsize::probe
