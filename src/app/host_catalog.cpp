#include "llmsize/app/host_catalog.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/cpus.hpp"
#include "llmsize/catalog/throughput.hpp"
#include "llmsize/core/cpu_name.hpp"
#include "llmsize/core/text.hpp"

namespace llmsize::app {
namespace {

std::optional<nlohmann::json> entry_of(const Services& services, const char* kind, const std::string& name) {
  const auto reference = services.catalog.find_by_name(kind, name);
  if (!reference) return std::nullopt;
  auto entry = services.catalog.parse(*reference);
  if (!entry) return std::nullopt;
  return std::move(*entry);
}

std::optional<double> number_in(const nlohmann::json& entry, const char* key) {
  const auto found = entry.find(key);
  if (found == entry.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

void add_memory_bandwidth(const Services& services, Host& host) {
  if (host.memory.bandwidth.known() || !host.cpu.model.known()) return;
  const std::string name = plain_cpu_name(*host.cpu.model.value);
  const auto entry = entry_of(services, "cpu", name);
  if (!entry) {
    host.memory.bandwidth = unknown<BytesPerSecond>(
        fmt::format("{}, and data/cpus.json has no {}", host.memory.bandwidth.source, name));
    return;
  }
  const auto package = catalog::package_bandwidth(*entry);
  if (!package) return;
  const int packages = host.cpu.packages.value_or(1);
  host.memory.bandwidth = derived(BytesPerSecond(packages * package->rate.per_second()),
                                  fmt::format("data/cpus.json, {}: {} x {}", name, packages, package->how));
}

void add_gpu_rates(const Services& services, GpuFacts& gpu) {
  if (gpu.name.empty()) return;
  const auto entry = entry_of(services, "gpu", gpu.name);
  if (!entry) return;
  constexpr double giga = 1e9;
  const std::string source = fmt::format("data/gpus.json, {}", gpu.name);
  // Intel's driver gives a device number, which is an alias there.
  const auto name = entry->find("name");
  if (gpu.name.starts_with("Intel GPU ") && name != entry->end() && name->is_string())
    gpu.name = name->get<std::string>();
  // Some drivers list the memory of a processor with graphics as a card's own (MI300A).
  const auto unified = entry->find("unified");
  if (!gpu.unified && unified != entry->end() && unified->is_boolean() && unified->get<bool>()) {
    gpu.unified = true;
    gpu.pool_id = "system";
    gpu.memory_free = unknown<Bytes>("shared with the system: what is available there");
  }
  if (const auto rate = number_in(*entry, "bandwidth_gb_per_second"); rate && !gpu.bandwidth.known())
    gpu.bandwidth = reported(BytesPerSecond(*rate * giga), source);
  if (const auto rate = number_in(*entry, "fp32_tflops")) gpu.fp32_tflops = reported(*rate, source);
  if (const auto rate = number_in(*entry, "fp16_tflops")) gpu.fp16_tflops = reported(*rate, source);
}

/// As drivers spell them.
std::string vendor_name(const std::string& vendor) {
  for (const char* name : {"NVIDIA", "AMD", "Intel", "Apple"})
    if (lower_case(name) == vendor) return name;
  return vendor;
}

Result<void> describe_stated_gpu(const Services& services, GpuFacts& gpu) {
  const auto spec = catalog::load_gpu(services.catalog, gpu.name);
  if (!spec) {
    // Its memory is what a plan needs; the rest stays unknown.
    if (gpu.memory_total.known()) return {};
    return tl::unexpected(spec.error());
  }
  const std::string source = fmt::format("data/gpus.json, {}", spec->id);
  gpu.name = spec->name;
  gpu.vendor = vendor_name(spec->vendor);
  gpu.backend = reported(spec->backend, source);
  // A GPU that shares the system's memory has none of its own.
  if (!spec->unified && spec->memory && !gpu.memory_total.known()) {
    gpu.memory_total = reported(*spec->memory, source);
    gpu.memory_free = gpu.memory_total;
  }
  return {};
}

}  // namespace

Result<void> describe_stated_gpus(const Services& services, const probe::HostOverrides& overrides,
                                  Host& host) {
  // Overridden GPUs are the host's only ones, in the order in which they are stated.
  for (std::size_t i = 0; i < overrides.gpus.size() && i < host.gpus.size(); ++i)
    if (!overrides.gpus[i].name.empty())
      if (auto described = describe_stated_gpu(services, host.gpus[i]); !described) return described;
  return {};
}

void add_catalog_facts(const Services& services, Host& host) {
  add_memory_bandwidth(services, host);
  for (auto& gpu : host.gpus) add_gpu_rates(services, gpu);
}

}  // namespace llmsize::app
