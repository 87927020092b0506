#include "llmsize/probe/gpus.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "llmsize/probe/memory.hpp"
#include "llmsize/probe/probe.hpp"
#include "llmsize/probe/text.hpp"

namespace llmsize::probe {
namespace {

constexpr const char* driver_root = "/proc/driver/nvidia/gpus";

std::vector<std::string> comma_parts(std::string_view text) {
  std::vector<std::string> parts;
  for (;;) {
    const auto comma = text.find(',');
    parts.emplace_back(trimmed(text.substr(0, comma)));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

std::optional<std::int64_t> parse_hexadecimal(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with("0x")) text.remove_prefix(2);
  std::int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
    return std::nullopt;
  return value;
}

/// Appends the GPUs that the variable leaves visible.
void append_visible(const Surroundings& from, const char* variable, std::vector<GpuFacts> gpus, Host& host) {
  std::vector<std::string> ids;
  for (const auto& gpu : gpus) ids.push_back(gpu.id);
  const auto value = from.environment == nullptr ? std::nullopt : from.environment->variable(variable);
  const auto visible = visible_devices(value, ids);
  if (visible.size() < gpus.size())
    host.warnings.push_back({fmt::format("{}={} hides {} of {} GPUs", variable, *value,
                                         gpus.size() - visible.size(), gpus.size()),
                             fmt::format("Unset {} to use them all.", variable)});
  for (const std::size_t index : visible) host.gpus.push_back(std::move(gpus[index]));
}

/// Shares the system's memory: what it may take is the system's to say.
void make_unified(GpuFacts& gpu, std::string why) {
  gpu.unified = true;
  gpu.pool_id = "system";
  gpu.memory_total = unknown<Bytes>(why);
  gpu.memory_free = unknown<Bytes>(std::move(why));
}

std::string pci_address(const FileReader& files, const std::string& device) {
  const auto uevent = files.read_text(device + "/uevent");
  constexpr std::string_view key = "PCI_SLOT_NAME=";
  if (uevent)
    for (const auto line : lines_of(*uevent))
      if (line.starts_with(key)) return std::string(trimmed(line.substr(key.size())));
  return {};
}

Fact<Bytes> size_in(const FileReader& files, const std::string& path) {
  const auto value = read_integer(files, path);
  return value && *value >= 0 ? reported(Bytes(*value), path) : unknown<Bytes>(path + " could not be read");
}

std::string device_number(const FileReader& files, const std::string& device) {
  return read_trimmed(files, device + "/device").value_or("unknown");
}

/// Whether the AMD GPU is built into a processor. The driver's metrics table has format 1 for cards, 2 and 3
/// for processors with graphics (Linux, kgd_pp_interface.h).
bool is_amd_integrated(const FileReader& files, const std::string& device) {
  constexpr std::size_t format_at = 2;
  const auto metrics = files.read_text(device + "/gpu_metrics");
  if (!metrics || metrics->size() <= format_at) return false;
  const char format = (*metrics)[format_at];
  return format == 2 || format == 3;
}

}  // namespace

std::vector<std::size_t> visible_devices(const std::optional<std::string>& variable,
                                         const std::vector<std::string>& ids) {
  std::vector<std::size_t> visible;
  if (!variable) {
    for (std::size_t i = 0; i < ids.size(); ++i) visible.push_back(i);
    return visible;
  }
  for (const auto& part : comma_parts(*variable)) {
    std::optional<std::size_t> found;
    if (const auto index = parse_integer(part)) {
      if (*index >= 0 && *index < static_cast<std::int64_t>(ids.size()))
        found = static_cast<std::size_t>(*index);
    } else if (!part.empty()) {
      const auto match =
          std::find_if(ids.begin(), ids.end(), [&](const std::string& id) { return id.starts_with(part); });
      if (match != ids.end()) found = static_cast<std::size_t>(match - ids.begin());
    }
    if (!found || std::find(visible.begin(), visible.end(), *found) != visible.end()) return visible;
    visible.push_back(*found);
  }
  return visible;
}

std::vector<GpuFacts> parse_nvidia_smi(std::string_view text) {
  std::vector<GpuFacts> gpus;
  constexpr std::size_t columns = 4;
  for (const auto line : lines_of(text)) {
    const auto parts = comma_parts(line);
    if (parts.size() != columns) continue;
    GpuFacts gpu;
    gpu.vendor = "NVIDIA";
    gpu.name = parts[0];
    gpu.id = parts[1];
    gpu.pool_id = gpu.id;
    gpu.backend = derived(std::string("cuda"), "nvidia-smi");
    gpu.bandwidth = unknown<BytesPerSecond>("nvidia-smi does not state it");
    const auto mebibytes_of = [](std::string_view field) {
      const auto value = parse_integer(field);
      const Bytes size = mebibytes(1) * value.value_or(-1);
      return size >= Bytes() && !size.is_saturated() ? reported(size, "nvidia-smi")
                                                     : unknown<Bytes>("nvidia-smi could not say");
    };
    gpu.memory_total = mebibytes_of(parts[2]);
    gpu.memory_free = mebibytes_of(parts[3]);
    // "[N/A]": no memory of its own.
    if (!gpu.memory_total.known()) make_unified(gpu, "the GPU uses the system's memory");
    gpus.push_back(std::move(gpu));
  }
  return gpus;
}

std::vector<GpuFacts> nvidia_driver_gpus(const FileReader& files) {
  std::vector<GpuFacts> gpus;
  const auto addresses = files.list(driver_root);
  if (!addresses) return gpus;
  for (const auto& address : *addresses) {
    const std::string folder = fmt::format("{}/{}", driver_root, address);
    const auto information = parse_colon_lines(files.read_text(folder + "/information").value_or(""));
    const auto model = information.find("Model");
    GpuFacts gpu;
    gpu.vendor = "NVIDIA";
    gpu.name = model == information.end() ? "NVIDIA GPU" : model->second;
    gpu.id = address;
    gpu.pool_id = address;
    gpu.backend = derived(std::string("cuda"), driver_root);
    const std::string why = "the kernel driver does not state it";
    gpu.memory_total = unknown<Bytes>(why);
    gpu.memory_free = unknown<Bytes>(why);
    gpu.bandwidth = unknown<BytesPerSecond>(why);
    const auto numa = parse_colon_lines(files.read_text(folder + "/numa_status").value_or(""));
    if (const auto size = numa.find("Size"); size != numa.end())
      if (const auto bytes = parse_hexadecimal(size->second); bytes && *bytes > 0)
        gpu.memory_total = reported(Bytes(*bytes), folder + "/numa_status");
    gpus.push_back(std::move(gpu));
  }
  return gpus;
}

GpuFacts amd_gpu(const FileReader& files, const std::string& device) {
  GpuFacts gpu;
  gpu.vendor = "AMD";
  gpu.id = pci_address(files, device);
  gpu.pool_id = gpu.id;
  gpu.name = read_trimmed(files, device + "/product_name").value_or("");
  if (gpu.name.empty()) gpu.name = fmt::format("AMD GPU {}", device_number(files, device));
  gpu.backend = derived(std::string("rocm"), "the amdgpu driver");
  gpu.bandwidth = unknown<BytesPerSecond>("the driver does not state it");
  gpu.memory_total = size_in(files, device + "/mem_info_vram_total");
  const auto used = read_integer(files, device + "/mem_info_vram_used");
  gpu.memory_free =
      gpu.memory_total.known() && used && *used >= 0
          ? derived(std::max(Bytes(), *gpu.memory_total.value - Bytes(*used)), device + "/mem_info_vram_used")
          : unknown<Bytes>("mem_info_vram_used could not be read");
  if (!is_amd_integrated(files, device)) return gpu;
  // A processor's graphics reach system memory through the translation table (GTT) besides their carve-out.
  gpu.unified = true;
  gpu.pool_id = "system";
  const auto table = size_in(files, device + "/mem_info_gtt_total");
  if (table.known())
    gpu.memory_total = derived(gpu.memory_total.value_or(Bytes()) + *table.value,
                               device + "/mem_info_vram_total + mem_info_gtt_total");
  gpu.memory_free = unknown<Bytes>("shared with the system: what is available there");
  return gpu;
}

GpuFacts intel_gpu(const FileReader& files, const std::string& device) {
  GpuFacts gpu;
  gpu.vendor = "Intel";
  gpu.id = pci_address(files, device);
  gpu.pool_id = gpu.id;
  gpu.name = fmt::format("Intel GPU {}", device_number(files, device));
  gpu.backend = derived(std::string("sycl"), "the i915 or xe driver");
  gpu.bandwidth = unknown<BytesPerSecond>("the driver does not state it");
  // Graphics inside a processor are device 2 on its first bus, on every generation.
  if (gpu.id.ends_with(":00:02.0")) {
    make_unified(gpu, "built into the processor: it uses the system's memory");
    return gpu;
  }
  gpu.memory_total = unknown<Bytes>("the driver does not state it");
  for (const char* file :
       {"/tile0/physical_vram_size_bytes", "/lmem_total_bytes", "/drm/card0/lmem_total_bytes"}) {
    const auto text = read_trimmed(files, device + file);
    if (!text || gpu.memory_total.known()) continue;
    const auto bytes = text->starts_with("0x") ? parse_hexadecimal(*text) : parse_integer(*text);
    if (bytes && *bytes > 0) gpu.memory_total = reported(Bytes(*bytes), device + file);
  }
  gpu.memory_free = unknown<Bytes>("the driver does not state it");
  return gpu;
}

void gather_nvidia(const Surroundings& from, Host& host) {
  const bool driver = from.files.is_folder("/proc/driver/nvidia") || from.files.exists("/dev/nvidiactl") ||
                      from.files.exists("/dev/dxg") || from.files.is_folder("/sys/module/nvidia");
  // Opening the library costs milliseconds, so it is left alone where no driver could answer.
  if (!driver) return;
  constexpr const char* variable = "CUDA_VISIBLE_DEVICES";
  if (from.system != nullptr)
    if (const auto library = from.system->open_library("libnvidia-ml.so.1"))
      if (auto gpus = nvml_gpus(**library)) return append_visible(from, variable, std::move(*gpus), host);
  if (from.commands != nullptr) {
    constexpr double timeout_seconds = 5;
    const auto output = from.commands->run(
        {"nvidia-smi", "--query-gpu=name,uuid,memory.total,memory.free", "--format=csv,noheader,nounits"},
        timeout_seconds);
    if (output && output->exit_status == 0)
      return append_visible(from, variable, parse_nvidia_smi(output->standard_output), host);
  }
  append_visible(from, variable, nvidia_driver_gpus(from.files), host);
}

void gather_sysfs_gpus(const Surroundings& from, Host& host) {
  const std::string root = "/sys/class/drm";
  std::vector<GpuFacts> amd;
  for (const int card : numbered_entries(from.files, root, "card")) {
    const std::string device = fmt::format("{}/card{}/device", root, card);
    const auto vendor = read_trimmed(from.files, device + "/vendor");
    if (vendor == "0x1002" && from.files.exists(device + "/mem_info_vram_total"))
      amd.push_back(amd_gpu(from.files, device));
    if (vendor == "0x8086") host.gpus.push_back(intel_gpu(from.files, device));
  }
  append_visible(from, "HIP_VISIBLE_DEVICES", std::move(amd), host);
}

}  // namespace llmsize::probe
