#include "llmsize/app/host_catalog.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/cpus.hpp"
#include "llmsize/core/cpu_name.hpp"

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
  if (!entry) return;
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
  if (const auto rate = number_in(*entry, "bandwidth_gb_per_second"); rate && !gpu.bandwidth.known())
    gpu.bandwidth = reported(BytesPerSecond(*rate * giga), source);
  if (const auto rate = number_in(*entry, "fp32_tflops")) gpu.fp32_tflops = reported(*rate, source);
  if (const auto rate = number_in(*entry, "fp16_tflops")) gpu.fp16_tflops = reported(*rate, source);
}

}  // namespace

void add_catalog_facts(const Services& services, Host& host) {
  add_memory_bandwidth(services, host);
  for (auto& gpu : host.gpus) add_gpu_rates(services, gpu);
}

}  // namespace llmsize::app
