#include "llmsize/probe/gpus.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "llmsize/core/text.hpp"
#include "llmsize/probe/memory.hpp"
#include "llmsize/probe/probe.hpp"
#include "llmsize/probe/recorded_answers.hpp"
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

struct Variable {
  const char* name;
  std::optional<std::string> value;
};

Variable variable_of(const Surroundings& from, const char* name) {
  return {name, from.environment == nullptr ? std::nullopt : from.environment->variable(name)};
}

/// Appends the GPUs that every one of the variables leaves visible.
void append_visible(const std::vector<Variable>& variables, std::vector<GpuFacts> gpus, Host& host) {
  for (const auto& [variable, value] : variables) {
    if (!value) continue;
    std::vector<std::string> ids;
    for (const auto& gpu : gpus) ids.push_back(gpu.id);
    std::vector<GpuFacts> shown;
    for (const std::size_t index : visible_devices(value, ids)) shown.push_back(gpus[index]);
    if (shown.size() < gpus.size())
      host.warnings.push_back({fmt::format("{}={} hides {} of {} GPUs", variable, *value,
                                           gpus.size() - shown.size(), gpus.size()),
                               fmt::format("Unset {} to use them all.", variable)});
    gpus = std::move(shown);
  }
  host.gpus.insert(host.gpus.end(), std::make_move_iterator(gpus.begin()),
                   std::make_move_iterator(gpus.end()));
}

Fact<Bytes> size_in(const FileReader& files, const std::string& path) {
  const auto value = read_integer(files, path);
  return value && *value >= 0 ? reported(Bytes(*value), path) : unknown<Bytes>(path + " could not be read");
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

std::optional<std::string> listing(const Surroundings& from, const std::vector<std::string>& arguments) {
  constexpr double timeout_seconds = 5;
  if (from.commands == nullptr) return std::nullopt;
  const auto output = from.commands->run(arguments, timeout_seconds);
  if (!output || output->exit_status != 0) return std::nullopt;
  return output->standard_output;
}

std::optional<Bytes> hexadecimal_bytes(std::string_view text) {
  const auto value = parse_hexadecimal(text);
  if (!value || *value == 0 || *value >= static_cast<std::uint64_t>(Bytes::highest)) return std::nullopt;
  return Bytes(static_cast<std::int64_t>(*value));
}

void make_unified(GpuFacts& gpu, std::string why) {
  gpu.unified = true;
  gpu.pool_id = "system";
  gpu.memory_total = unknown<Bytes>(why);
  gpu.memory_free = unknown<Bytes>(std::move(why));
}

std::string uevent_value(const FileReader& files, const std::string& device, std::string_view key) {
  const auto uevent = files.read_text(device + "/uevent");
  if (uevent)
    for (const auto line : lines_of(*uevent))
      if (line.starts_with(key) && line.substr(key.size()).starts_with('='))
        return std::string(trimmed(line.substr(key.size() + 1)));
  return {};
}

std::string device_number(const FileReader& files, const std::string& device) {
  return read_trimmed(files, device + "/device").value_or("unknown");
}

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

std::string amd_marketing_name(std::string_view amdgpu_ids, std::string_view device,
                               std::string_view revision) {
  const auto wanted_device = parse_hexadecimal(device), wanted_revision = parse_hexadecimal(revision);
  if (!wanted_device || !wanted_revision) return {};
  for (const auto line : lines_of(amdgpu_ids)) {
    // "744C,	C8,	AMD Radeon RX 7900 XTX"
    const auto parts = comma_parts(line);
    if (parts.size() >= 3 && parse_hexadecimal(parts[0]) == wanted_device &&
        parse_hexadecimal(parts[1]) == wanted_revision)
      return parts[2];
  }
  return {};
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
      if (const auto bytes = hexadecimal_bytes(size->second))
        gpu.memory_total = reported(*bytes, folder + "/numa_status");
    gpus.push_back(std::move(gpu));
  }
  return gpus;
}

GpuFacts amd_gpu(const FileReader& files, const std::string& device) {
  GpuFacts gpu;
  gpu.vendor = "AMD";
  gpu.id = uevent_value(files, device, "PCI_SLOT_NAME");
  gpu.pool_id = gpu.id;
  gpu.name = read_trimmed(files, device + "/product_name").value_or("");
  if (gpu.name.empty())
    if (const auto ids = files.read_text("/usr/share/libdrm/amdgpu.ids"))
      gpu.name = amd_marketing_name(*ids, device_number(files, device),
                                    read_trimmed(files, device + "/revision").value_or(""));
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

bool order_as_cuda(const std::optional<std::string>& device_order, std::vector<GpuFacts>& gpus) {
  const bool alike = std::all_of(gpus.begin(), gpus.end(),
                                 [&](const GpuFacts& gpu) { return gpu.name == gpus.front().name; });
  if (alike || device_order == "PCI_BUS_ID") return true;
  if (!std::all_of(gpus.begin(), gpus.end(), [](const GpuFacts& gpu) { return gpu.fp32_tflops.known(); }))
    return false;
  std::stable_sort(gpus.begin(), gpus.end(), [](const GpuFacts& a, const GpuFacts& b) {
    return *a.fp32_tflops.value > *b.fp32_tflops.value;
  });
  return true;
}

namespace {

/// What NVML answers now, or answered when a recording was made.
std::optional<std::vector<NvmlDevice>> nvml_answers(const Surroundings& from) {
  constexpr const char* question = "nvml";
  if (from.kept != nullptr)
    if (const auto text = from.kept->find(question)) return parse_nvml_text(*text);
  if (from.system == nullptr) return std::nullopt;
  const auto library = from.system->open_library("libnvidia-ml.so.1");
  if (!library) return std::nullopt;
  auto devices = nvml_devices(**library);
  if (!devices) return std::nullopt;
  if (from.kept != nullptr) from.kept->add(question, nvml_text(*devices));
  return std::move(*devices);
}

std::vector<GpuFacts> nvidia_gpus(const Surroundings& from) {
  if (const auto devices = nvml_answers(from)) return nvml_gpus(*devices);
  if (const auto text = listing(from, {"nvidia-smi", "--query-gpu=name,uuid,memory.total,memory.free",
                                       "--format=csv,noheader,nounits"}))
    return parse_nvidia_smi(*text);
  return nvidia_driver_gpus(from.files);
}

/// The GPU of a Jetson, which many systems of theirs have no management library for. The device tree's words
/// end with NUL bytes.
std::vector<GpuFacts> tegra_gpus(const FileReader& files) {
  const std::string path = "/proc/device-tree/compatible";
  const auto compatible = files.read_text(path);
  if (!compatible || compatible->find("nvidia,tegra") == std::string::npos) return {};
  GpuFacts gpu;
  gpu.vendor = "NVIDIA";
  gpu.name = read_trimmed(files, "/proc/device-tree/model").value_or("NVIDIA Tegra");
  gpu.id = "tegra";
  gpu.backend = derived(std::string("cuda"), path);
  gpu.bandwidth = unknown<BytesPerSecond>("the device tree does not state it");
  make_unified(gpu, "part of the chip: it uses the system's memory");
  return {gpu};
}

/// Puts numbers in the place of UUIDs: in the facts, in what the variable says, and in what is kept.
void hide_uuids(const Surroundings& from, std::vector<GpuFacts>& gpus, Variable& visible) {
  std::vector<std::string> words = visible.value ? comma_parts(*visible.value) : std::vector<std::string>();
  for (std::size_t index = 0; index < gpus.size(); ++index) {
    GpuFacts& gpu = gpus[index];
    const std::string uuid = gpu.id;
    if (!uuid.starts_with("GPU-") && !uuid.starts_with("MIG-")) continue;
    gpu.id = fmt::format("{}{}", uuid.substr(0, 4), index);
    if (gpu.pool_id == uuid) gpu.pool_id = gpu.id;
    for (auto& word : words)
      if (word.starts_with(uuid.substr(0, 4)) && uuid.starts_with(word)) word = gpu.id;
    if (from.kept != nullptr) from.kept->replace(uuid, gpu.id);
  }
  if (!visible.value) return;
  visible.value = fmt::format("{}", fmt::join(words, ","));
  if (from.kept != nullptr) from.kept->add(variable_question(visible.name), *visible.value);
}

}  // namespace

void gather_nvidia(const Surroundings& from, Host& host) {
  const bool driver = from.files.is_folder("/proc/driver/nvidia") || from.files.exists("/dev/nvidiactl") ||
                      from.files.exists("/dev/dxg") || from.files.is_folder("/sys/module/nvidia");
  // Opening the library costs milliseconds, so it is left alone where no driver could answer.
  auto gpus = driver ? nvidia_gpus(from) : std::vector<GpuFacts>();
  if (gpus.empty()) gpus = tegra_gpus(from.files);
  if (gpus.empty()) return;
  Variable visible = variable_of(from, "CUDA_VISIBLE_DEVICES");
  if (from.hides_uuids) hide_uuids(from, gpus, visible);
  // UUIDs mean the same in any order.
  const bool by_number = visible.value && !visible.value->empty() && visible.value->front() >= '0' &&
                         visible.value->front() <= '9';
  if (!order_as_cuda(variable_of(from, "CUDA_DEVICE_ORDER").value, gpus) && by_number)
    host.warnings.push_back(
        {fmt::format("which GPUs {} means is uncertain: CUDA counts the fastest first", visible.name),
         "Set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name them by UUID."});
  append_visible({visible}, std::move(gpus), host);
}

namespace {

/// No file states the UUIDs by which AMD's variables can name GPUs, so such a value hides nothing here.
Variable by_number(Variable variable, Host& host, std::size_t gpus) {
  if (gpus == 0 || !variable.value || variable.value->find("GPU-") == std::string::npos) return variable;
  host.warnings.push_back(
      {fmt::format("{} names GPUs by UUID, which no file states: all are counted", variable.name),
       "Name them by number."});
  variable.value.reset();
  return variable;
}

/// "0,1" for "0.0,0.1,1.0": Level Zero's mask can name parts of a GPU.
std::string without_tiles(const std::string& mask) {
  std::vector<std::string> cards;
  for (const auto& part : comma_parts(mask))
    if (auto card = part.substr(0, part.find('.'));
        std::find(cards.begin(), cards.end(), card) == cards.end())
      cards.push_back(std::move(card));
  return fmt::format("{}", fmt::join(cards, ","));
}

}  // namespace

void gather_sysfs_gpus(const Surroundings& from, Host& host) {
  const std::string root = "/sys/class/drm";
  std::vector<GpuFacts> amd, intel;
  for (const int card : numbered_entries(from.files, root, "card")) {
    const std::string device = fmt::format("{}/card{}/device", root, card);
    const auto vendor = read_trimmed(from.files, device + "/vendor");
    if (vendor == "0x1002" && from.files.exists(device + "/mem_info_vram_total"))
      amd.push_back(amd_gpu(from.files, device));
    if (vendor == "0x8086") intel.push_back(intel_gpu(from, device));
  }
  // The runtime's variable filters first, and HIP numbers what is left. HIP takes CUDA's name for its own.
  const Variable runtime = variable_of(from, "ROCR_VISIBLE_DEVICES");
  Variable hip = variable_of(from, "HIP_VISIBLE_DEVICES");
  const bool for_nvidia = std::any_of(host.gpus.begin(), host.gpus.end(),
                                      [](const GpuFacts& gpu) { return gpu.vendor == "NVIDIA"; });
  if (!hip.value && !amd.empty() && !for_nvidia) hip = variable_of(from, "CUDA_VISIBLE_DEVICES");
  const std::vector<Variable> variables = {by_number(runtime, host, amd.size()),
                                           by_number(hip, host, amd.size())};
  append_visible(variables, std::move(amd), host);
  Variable mask = variable_of(from, "ZE_AFFINITY_MASK");
  if (mask.value) mask.value = without_tiles(*mask.value);
  append_visible({mask}, std::move(intel), host);
}

}  // namespace llmsize::probe
