#include "llmsize/app/gpus.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "llmsize/catalog/throughput.hpp"
#include "llmsize/core/text.hpp"

namespace llmsize::app {
namespace {

/// How a backend treats memory.
struct BackendRule {
  std::string_view backend;
  std::int64_t alignment;
  std::int64_t row_multiple;
  bool host_buffer;
  bool takes_host_weights;
};

/// Sources: llama.cpp v0.5.0, ggml-cuda (also built for ROCm), ggml-vulkan, ggml-sycl and ggml-metal:
/// alignment and padding of their buffer types, and whether they have a host buffer type and an offload_op.
constexpr std::array backend_rules = {
    BackendRule{"cuda", 128, 512, true, true}, BackendRule{"rocm", 128, 512, true, true},
    BackendRule{"vulkan", 64, 0, true, true},  BackendRule{"sycl", 128, 512, true, true},
    BackendRule{"metal", 32, 0, false, false}, BackendRule{"", 32, 0, true, false}};

const BackendRule* rule_of(const std::string& backend) {
  const auto found = std::find_if(backend_rules.begin(), backend_rules.end(),
                                  [&](const BackendRule& rule) { return rule.backend == backend; });
  return found == backend_rules.end() ? nullptr : &*found;
}

Device make_device(std::size_t index, const std::string& backend, std::string label, bool unified) {
  const BackendRule* known = rule_of(backend);
  const BackendRule& rule = known == nullptr ? backend_rules.back() : *known;
  Device device;
  device.name = fmt::format("GPU{}", index);
  device.label = std::move(label);
  device.backend = backend;
  device.buffer = {rule.alignment, rule.row_multiple};
  device.has_host_buffer = rule.host_buffer;
  device.unified = unified;
  device.takes_host_weights = rule.takes_host_weights && !unified;
  return device;
}

/// A generic device of a size: 32-byte alignment, as the recorded splits have it.
void add_generic(GpuSet& set, Bytes memory) {
  auto device = make_device(set.devices.size(), "", "", false);
  device.capacity = overridden(memory, "--gpu");
  set.devices.push_back(std::move(device));
  set.specs.emplace_back();
}

Result<void> add_named(GpuSet& set, const Services& services, const GpuWish& wish,
                       const Fact<Bytes>& host_memory) {
  const auto spec = catalog::load_gpu(services.catalog, wish.name);
  if (!spec) return tl::unexpected(spec.error());
  auto device = make_device(set.devices.size(), spec->backend, spec->name, spec->unified);
  device.buffer.alignment = spec->buffer_alignment;
  if (wish.memory)
    device.capacity = overridden(*wish.memory, "--gpu");
  else if (spec->unified)
    device.capacity = host_memory;
  else if (spec->memory)
    device.capacity = reported(*spec->memory, "data/gpus.json, " + spec->id);
  else
    return fail(ErrorCode::usage, fmt::format("the memory of {} is not in the catalog", spec->name),
                fmt::format("Say it: --gpu \"{}=24GiB\".", wish.name));
  set.devices.push_back(std::move(device));
  set.specs.emplace_back(*spec);
  return {};
}

/// A GPU that was found on a host; `spec` where its name is in the catalog.
void add_probed(GpuSet& set, const GpuFacts& gpu, const std::optional<GpuSpec>& spec,
                const Fact<Bytes>& host_memory) {
  const std::string backend = spec ? spec->backend : gpu.backend.value_or("");
  const bool unified = gpu.unified || (spec && spec->unified);
  auto device = make_device(set.devices.size(), backend, gpu.name, unified);
  if (device.label == device.name) device.label.clear();
  device.capacity = unified ? host_memory : gpu.memory_free.known() ? gpu.memory_free : gpu.memory_total;
  set.devices.push_back(std::move(device));
  set.specs.push_back(spec);
}

/// The engine takes integrated GPUs only where there is no other, and drives only what it has a backend for.
void add_host_gpus(GpuSet& set, const Services& services, const Host& host, const Fact<Bytes>& host_memory) {
  const bool any_own =
      std::any_of(host.gpus.begin(), host.gpus.end(), [](const GpuFacts& gpu) { return !gpu.unified; });
  for (const auto& gpu : host.gpus) {
    const auto spec = catalog::load_gpu(services.catalog, gpu.name);
    const std::optional<GpuSpec> known = spec ? std::optional(*spec) : std::nullopt;
    const std::string name = gpu.name.empty() ? gpu.id : gpu.name;
    // One whose memory the user stated is one that the user counts on, whatever drives it.
    const bool stated = gpu.memory_total.known() && gpu.memory_total.basis == Basis::overridden;
    const bool driven = known || ((gpu.backend.known() || stated) && !gpu.unified);
    if (!driven || (any_own && gpu.unified)) {
      set.notes.push_back(fmt::format("GPU {} is left out; --gpu NAME or SIZE counts it in", name));
      continue;
    }
    add_probed(set, gpu, known, host_memory);
  }
}

/// Only the main device, which keeps its name.
Result<void> keep_one(const GpuOptions& options, GpuSet& set) {
  if (set.devices.empty()) return {};
  const auto main = static_cast<std::size_t>(options.main_gpu.value_or(0));
  if (main >= set.devices.size())
    return fail(ErrorCode::usage, fmt::format("--main-gpu {}: there are {} GPUs", main, set.devices.size()),
                "The first one is 0.");
  if (!options.one_device) return {};
  set.devices = {set.devices[main]};
  set.specs = {set.specs[main]};
  return {};
}

/// The number behind a device's name, where the rest is one of the engine's backends.
std::optional<int> device_number(const std::string& name) {
  constexpr std::array prefixes = {"gpu", "cuda", "rocm", "vulkan", "sycl", "metal", "mtl", "rpc"};
  const std::string lower = lower_case(name);
  for (const std::string_view prefix : prefixes) {
    if (!lower.starts_with(prefix)) continue;
    int number = 0;
    const char* begin = lower.data() + prefix.size();
    const char* end = lower.data() + lower.size();
    if (begin == end && prefix == "metal") return 0;
    const auto parsed = std::from_chars(begin, end, number);
    if (parsed.ec == std::errc() && parsed.ptr == end && number >= 0) return number;
  }
  return std::nullopt;
}

std::vector<std::string> names_of(const std::vector<Device>& devices) {
  std::vector<std::string> names{"CPU"};
  for (const auto& device : devices) names.push_back(device.name);
  return names;
}

Result<int> find_device(const std::string& name, const std::vector<Device>& devices) {
  const std::string lower = lower_case(name);
  if (lower == "cpu" || lower.ends_with("_host")) return Placement::host;
  if (const auto number = device_number(name))
    for (std::size_t i = 0; i < devices.size(); ++i)
      if (devices[i].name == fmt::format("GPU{}", *number)) return static_cast<int>(i);
  return fail(ErrorCode::usage, fmt::format("--override-tensor: there is no device \"{}\"", name),
              devices.empty() ? "There is no GPU: --gpu names one."
                              : fmt::format("Use {}.", fmt::join(names_of(devices), " or ")));
}

}  // namespace

Result<GpuSet> gpus_of_run(const Services& services, const GpuOptions& options, const Host& host,
                           const Fact<Bytes>& host_memory) {
  GpuSet set;
  if (!options.named()) add_host_gpus(set, services, host, host_memory);
  for (const auto& wish : options.wishes)
    for (std::int64_t i = 0; i < wish.count; ++i) {
      if (wish.name.empty() && wish.memory) {
        add_generic(set, *wish.memory);
        continue;
      }
      if (auto added = add_named(set, services, wish, host_memory); !added)
        return tl::unexpected(added.error());
    }
  if (auto kept = keep_one(options, set); !kept) return tl::unexpected(kept.error());
  return set;
}

std::vector<std::string> placing_flags(const GpuOptions& options, const OffloadRequest& offload) {
  const std::pair<bool, const char*> flags[] = {
      {options.gpu_layers.value_or(0) != 0, "--gpu-layers"},
      {!offload.tensor_split.empty(), "--tensor-split"},
      {options.one_device || offload.split_mode == SplitMode::row, "--split-mode"},
      {options.main_gpu.has_value(), "--main-gpu"},
      {offload.cpu_expert_layers > 0, "--n-cpu-moe"},
      {!offload.kv_offload, "--no-kv-offload"},
      {!offload.operation_offload, "--no-op-offload"}};
  std::vector<std::string> given;
  for (const auto& [is_given, name] : flags)
    if (is_given) given.emplace_back(name);
  return given;
}

Result<void> apply_gpus(const GpuOptions& options, const GpuSet& gpus, OffloadRequest& offload) {
  offload.devices = gpus.devices;
  offload.gpu_layers = options.gpu_layers.value_or(fitting_gpu_layers);
  if (offload.gpu_layers == fitting_gpu_layers && !options.fit) offload.gpu_layers = all_gpu_layers;
  for (const auto& [pattern, name] : options.overrides) {
    const auto device = find_device(name, gpus.devices);
    if (!device) return tl::unexpected(device.error());
    offload.overrides.push_back({pattern, *device});
  }
  return {};
}

}  // namespace llmsize::app
