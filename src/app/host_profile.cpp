#include "llmsize/app/host_profile.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "llmsize/render/host.hpp"

namespace llmsize::app {
namespace {

/// Firmware and kernels set slightly different amounts aside from one start to the next.
constexpr double same_memory = 0.05;

bool is_same_machine(const Host& saved, const Host& host) {
  const auto total = [](const Host& of) {
    return static_cast<double>(of.memory.total.value_or(Bytes()).value());
  };
  return saved.cpu.model.value == host.cpu.model.value &&
         saved.cpu.logical_online.value == host.cpu.logical_online.value &&
         std::abs(total(saved) - total(host)) <= same_memory * total(host);
}

/// A rate belongs to a device, whichever folder on it was looked at.
void add_read_rates(const Host& saved, Host& host) {
  for (const auto& measured_storage : saved.storage) {
    if (measured_storage.read_rate.basis != Basis::measured || !measured_storage.read_rate.known()) continue;
    const auto same =
        std::find_if(host.storage.begin(), host.storage.end(), [&](const StorageFacts& storage) {
          return storage.device.value == measured_storage.device.value &&
                 (storage.device.known() || storage.path == measured_storage.path);
        });
    if (same != host.storage.end()) {
      same->read_rate = measured_storage.read_rate;
    } else {
      host.storage.push_back(measured_storage);
      host.storage.back().free = unknown<Bytes>("not looked at since it was measured");
    }
  }
}

void add_measurements(const Host& saved, Host& host) {
  host.memory.measured_bandwidth = saved.memory.measured_bandwidth;
  host.benchmarks = saved.benchmarks;
  add_read_rates(saved, host);
}

}  // namespace

std::string host_profile_path(const Environment& environment) {
  std::string base = environment.variable("XDG_DATA_HOME").value_or("");
  // The specification says to ignore relative paths.
  if (!base.starts_with('/')) {
    const std::string home = environment.variable("HOME").value_or("");
    if (!home.starts_with('/')) return {};
    base = home + "/.local/share";
  }
  return base + "/llmsize/host.json";
}

void apply_host_profile(const Services& services, Host& host) {
  const std::string path = host_profile_path(services.environment);
  if (path.empty() || !services.files.exists(path)) return;
  const auto text = services.files.read_text(path);
  const auto saved = text ? render::host_from_json(*text, path) : tl::unexpected(text.error());
  if (!saved) {
    host.warnings.push_back({fmt::format("the saved measurements are not used: {}", saved.error().message),
                             fmt::format("Delete {} or measure again.", path)});
    return;
  }
  if (!is_same_machine(*saved, host)) {
    host.warnings.push_back({fmt::format("the measurements in {} are of another machine and not used", path),
                             "Measure this one with llmsize probe --bench memory --save."});
    return;
  }
  add_measurements(*saved, host);
}

std::string measurements_text(const Host& host, std::size_t first_warning) {
  Host kept;
  kept.memory.measured_bandwidth = host.memory.measured_bandwidth;
  kept.benchmarks = host.benchmarks;
  for (const auto& storage : host.storage)
    if (storage.read_rate.known() && storage.read_rate.basis == Basis::measured)
      kept.storage.push_back(storage);
  for (std::size_t i = first_warning; i < host.warnings.size(); ++i)
    kept.warnings.push_back(host.warnings[i]);
  const bool nothing = kept.memory.measured_bandwidth.source.empty() && kept.benchmarks.empty() &&
                       kept.storage.empty() && kept.warnings.empty();
  return nothing ? "" : render::host_json(kept, std::nullopt);
}

void apply_recorded_measurements(std::string_view text, Host& host) {
  const auto recorded = render::host_from_json(text, "the recorded measurements");
  if (!recorded) {
    host.warnings.push_back({recorded.error().message, "Record the machine again."});
    return;
  }
  add_measurements(*recorded, host);
  host.warnings.insert(host.warnings.end(), recorded->warnings.begin(), recorded->warnings.end());
}

Result<std::string> save_host_profile(const Services& services, const Host& host) {
  const std::string path = host_profile_path(services.environment);
  if (path.empty())
    return fail(ErrorCode::write_failed, "there is no folder to save measurements in",
                "Set HOME or XDG_DATA_HOME.");
  if (host.benchmarks.empty())
    return fail(ErrorCode::usage, "--save keeps what --bench measures", "Add --bench memory,compute.");
  if (auto made = services.writer.make_folders(path.substr(0, path.rfind('/'))); !made)
    return tl::unexpected(made.error());
  Host kept = host;
  // Warnings are about the moment; they are found anew in every probe.
  kept.warnings.clear();
  if (auto written = services.writer.write_whole(path, render::host_json(kept, std::nullopt)); !written)
    return tl::unexpected(written.error());
  return path;
}

}  // namespace llmsize::app
