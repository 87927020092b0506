#include "llmsize/app/probe_command.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/tiers.hpp"
#include "llmsize/core/cpu_name.hpp"
#include "llmsize/probe/probe.hpp"
#include "llmsize/probe/recording.hpp"
#include "llmsize/probe/rooted_files.hpp"
#include "llmsize/render/host.hpp"

namespace llmsize::app {
namespace {

Result<Outcome> compare(const Services& services, const ProbeOptions& options) {
  if (options.files.size() != 2)
    return fail(ErrorCode::usage, "--diff compares two saved probes",
                "llmsize probe --diff before.json after.json");
  const auto before = services.files.read_text(options.files[0]);
  if (!before) return tl::unexpected(before.error());
  const auto after = services.files.read_text(options.files[1]);
  if (!after) return tl::unexpected(after.error());
  const auto difference = render::host_difference(*before, *after);
  if (!difference) return tl::unexpected(difference.error());
  return Outcome{difference->empty() ? "The two probes state the same facts.\n" : *difference};
}

/// Reads what a replay would read, and keeps it.
Result<Outcome> record(const Services& services, const ProbeOptions& options) {
  const probe::RecordingFiles recording(services.files);
  const probe::RootedFiles files(recording, options.root);
  static_cast<void>(probe::gather({files, nullptr, nullptr, nullptr, options.model_folder}));
  const auto written = services.writer.write_whole(options.dump, recording.archive());
  if (!written) return tl::unexpected(written.error());
  return Outcome{fmt::format(
      "Recorded {} files in {}. Unpack it into a folder and replay it with llmsize probe --root FOLDER.\n",
      recording.count(), options.dump)};
}

/// The memory by which the tier goes: what is installed, not what is free.
std::optional<Tier> tier_of_host(const Host& host, const std::vector<TierRule>& rules) {
  return host.memory.total.known() ? tier_of(*host.memory.total.value, rules) : std::nullopt;
}

/// What the catalog's entry of that name states in `key`; nothing where there is none.
std::optional<double> catalog_number(const Services& services, const char* kind, const std::string& name,
                                     const char* key) {
  const auto reference = services.catalog.find_by_name(kind, name);
  if (!reference) return std::nullopt;
  const auto entry = services.catalog.parse(*reference);
  if (!entry || !entry->contains(key) || !(*entry)[key].is_number()) return std::nullopt;
  return (*entry)[key].get<double>();
}

/// Theoretical bandwidth by exact model, where the machine itself does not state it.
void add_catalog_bandwidths(const Services& services, Host& host) {
  constexpr double mega = 1e6, giga = 1e9, bytes_per_transfer = 8;
  if (!host.memory.bandwidth.known() && host.cpu.model.known()) {
    const std::string name = plain_cpu_name(*host.cpu.model.value);
    const auto channels = catalog_number(services, "cpu", name, "memory_channels");
    const auto transfers = catalog_number(services, "cpu", name, "mega_transfers_per_second");
    const int packages = host.cpu.packages.value_or(1);
    if (channels && transfers)
      host.memory.bandwidth = derived(
          BytesPerSecond(packages * *channels * *transfers * mega * bytes_per_transfer),
          fmt::format("data/cpus.json, {}: {} x {} channels x {} MT/s x 8 bytes, with every channel filled",
                      name, packages, *channels, *transfers));
  }
  for (auto& gpu : host.gpus)
    if (!gpu.bandwidth.known() && !gpu.name.empty())
      if (const auto rate = catalog_number(services, "gpu", gpu.name, "bandwidth_gb_per_second"))
        gpu.bandwidth = reported(BytesPerSecond(*rate * giga), fmt::format("data/gpus.json, {}", gpu.name));
}

}  // namespace

Result<Host> probe_host(const Services& services, const ProbeOptions& options) {
  Host host;
  if (!options.root.empty()) {
    if (!services.files.is_folder(options.root))
      return fail(ErrorCode::not_found, fmt::format("--root {}: is no folder", options.root),
                  "Unpack the recorded tree first.");
    const probe::RootedFiles files(services.files, options.root);
    host = probe::gather({files, nullptr, nullptr, nullptr, options.model_folder});
  } else {
    if (!options.model_folder.empty() && !services.files.is_folder(options.model_folder))
      return fail(ErrorCode::not_found, fmt::format("--model-dir {}: is no folder", options.model_folder),
                  "Name an existing folder.");
    host = probe::gather(
        {services.files, services.system, services.commands, &services.environment, options.model_folder});
  }
  // An overridden model shall bring its own bandwidth, an overridden bandwidth shall stand.
  if (!options.overrides.cpu_model.empty())
    host.memory.bandwidth = unknown<BytesPerSecond>("--cpu-model names another processor");
  probe::apply_overrides(host, options.overrides);
  add_catalog_bandwidths(services, host);
  return host;
}

Result<Outcome> run_probe(const Services& services, const ProbeOptions& options,
                          const std::function<void(const std::string&)>& progress) {
  if (options.diff) return compare(services, options);
  if (!options.files.empty())
    return fail(ErrorCode::usage, fmt::format("probe takes no \"{}\"", options.files.front()),
                "llmsize probe --help shows what it takes.");
  if (!options.dump.empty()) return record(services, options);
  const auto rules = catalog::load_tiers(services.catalog);
  if (!rules) return tl::unexpected(rules.error());
  auto host = probe_host(services, options);
  if (!host) return tl::unexpected(host.error());
  const auto& wanted = options.benchmarks;
  if (wanted.memory || wanted.compute || wanted.storage) {
    if (!options.root.empty() || services.benchmarks == nullptr)
      return fail(ErrorCode::usage, "--bench measures this machine, not a recorded one", "Leave out --root.");
    const auto done = probe::run_benchmarks(*services.benchmarks, wanted, *host, progress);
    if (!done) return tl::unexpected(done.error());
  }
  const auto tier = tier_of_host(*host, *rules);
  if (options.json) return Outcome{render::host_json(*host, tier)};
  if (options.markdown) return Outcome{render::host_markdown(*host, tier)};
  return Outcome{render::host_text(*host, tier, options.explain)};
}

}  // namespace llmsize::app
