#include <algorithm>

#include <fmt/format.h>

#include "llmsize/core/text.hpp"
#include "llmsize/probe/gpus.hpp"
#include "llmsize/probe/text.hpp"

namespace llmsize::probe {
namespace {

/// Whether the graphics are part of the chip, as Apple's, Tegra's and phones' are: there are cards, and none
/// is on PCI.
bool shares_chip(const FileReader& files) {
  const std::string root = "/sys/class/drm";
  const auto cards = numbered_entries(files, root, "card");
  return !cards.empty() && std::all_of(cards.begin(), cards.end(), [&](int card) {
    return uevent_value(files, fmt::format("{}/card{}/device", root, card), "PCI_SLOT_NAME").empty();
  });
}

/// Whether two ways to a GPU name one card. Vulkan may add its driver to the name.
bool is_same_name(const GpuFacts& a, const GpuFacts& b) {
  return !a.name.empty() && !b.name.empty() && (a.name.starts_with(b.name) || b.name.starts_with(a.name));
}

}  // namespace

std::vector<GpuFacts> parse_device_list(std::string_view text) {
  std::vector<GpuFacts> gpus;
  constexpr std::string_view between = " MiB, ", end = " MiB free)", source = "llama-server";
  for (auto line : lines_of(text)) {
    line = trimmed(line);
    const auto colon = line.find(": ");
    const auto open = line.rfind(" (");
    if (colon == std::string_view::npos || open == std::string_view::npos || open < colon + 2) continue;
    if (!line.ends_with(end)) continue;
    const auto sizes = line.substr(open + 2, line.size() - end.size() - open - 2);
    const auto comma = sizes.find(between);
    if (comma == std::string_view::npos) continue;
    const auto total = parse_integer(sizes.substr(0, comma));
    const auto free = parse_integer(sizes.substr(comma + between.size()));
    if (!total || !free || *total < 0 || *free < 0 || (mebibytes(1) * *total).is_saturated()) continue;
    GpuFacts gpu;
    gpu.id = line.substr(0, colon);
    gpu.name = line.substr(colon + 2, open - colon - 2);
    gpu.pool_id = gpu.id;
    gpu.memory_total = reported(mebibytes(1) * *total, std::string(source));
    gpu.memory_free = reported(mebibytes(1) * std::min(*free, *total), std::string(source));
    gpu.bandwidth = unknown<BytesPerSecond>("llama-server does not state it");
    const auto digits = gpu.id.find_last_not_of("0123456789");
    gpu.backend = reported(lower_case(gpu.id.substr(0, digits + 1)), std::string(source));
    for (const std::string_view vendor : {"NVIDIA", "AMD", "Intel", "Apple"})
      if (gpu.name.find(vendor) != std::string::npos) gpu.vendor = vendor;
    gpus.push_back(std::move(gpu));
  }
  return gpus;
}

void gather_listed_devices(const Surroundings& from, Host& host) {
  const bool something = from.files.is_folder("/dev/dri") || from.files.exists("/dev/dxg") ||
                         from.files.exists("/dev/kfd") || from.files.exists("/dev/nvidiactl");
  const auto unknown_memory = [](const GpuFacts& gpu) { return !gpu.unified && !gpu.memory_total.known(); };
  const bool incomplete = std::any_of(host.gpus.begin(), host.gpus.end(), unknown_memory);
  // Starting llama-server takes a tenth of a second, so it is asked only where something is missing.
  if (!something || (!host.gpus.empty() && !incomplete)) return;
  const auto text = listing(from, {"llama-server", "--list-devices"});
  if (!text) return;
  auto listed = parse_device_list(*text);
  if (listed.empty()) return;
  host.gpus.erase(std::remove_if(host.gpus.begin(), host.gpus.end(), unknown_memory), host.gpus.end());
  const auto found_before = static_cast<std::ptrdiff_t>(host.gpus.size());
  const bool on_chip = shares_chip(from.files);
  for (auto& gpu : listed) {
    if (on_chip) make_unified(gpu, "part of the chip, not on PCI: it uses the system's memory");
    const auto own = host.gpus.begin() + found_before;
    // Devices of one name are several cards where one backend lists them, and one card where two do.
    const bool known = std::any_of(host.gpus.begin(), own,
                                   [&](const GpuFacts& other) { return is_same_name(other, gpu); }) ||
                       std::any_of(own, host.gpus.end(), [&](const GpuFacts& other) {
                         return other.backend.value != gpu.backend.value && is_same_name(other, gpu);
                       });
    if (!known) host.gpus.push_back(std::move(gpu));
  }
}

}  // namespace llmsize::probe
