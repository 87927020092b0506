#include "llmsize/app/host_catalog.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

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
  constexpr double mega = 1e6, bytes_per_transfer = 8;
  const std::string name = plain_cpu_name(*host.cpu.model.value);
  const auto entry = entry_of(services, "cpu", name);
  if (!entry) return;
  const int packages = host.cpu.packages.value_or(1);
  constexpr double giga = 1e9;
  if (const auto stated = number_in(*entry, "bandwidth_gb_per_second")) {
    host.memory.bandwidth = derived(
        BytesPerSecond(packages * *stated * giga),
        fmt::format("data/cpus.json, {}: {} x {} GB/s, which is all it can use", name, packages, *stated));
    return;
  }
  const auto channels = number_in(*entry, "memory_channels");
  const auto transfers = number_in(*entry, "mega_transfers_per_second");
  if (!channels || !transfers) return;
  host.memory.bandwidth = derived(
      BytesPerSecond(packages * *channels * *transfers * mega * bytes_per_transfer),
      fmt::format("data/cpus.json, {}: {} x {} channels x {} MT/s x 8 bytes, with every channel filled", name,
                  packages, *channels, *transfers));
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
