#include "llmsize/app/probe_command.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "llmsize/app/host_catalog.hpp"
#include "llmsize/app/host_profile.hpp"
#include "llmsize/app/observation.hpp"
#include "llmsize/catalog/tiers.hpp"
#include "llmsize/probe/probe.hpp"
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
  auto difference = render::host_difference(*before, *after, options.json);
  if (!difference) return tl::unexpected(difference.error());
  return Outcome{std::move(*difference)};
}

/// The memory by which the tier goes: what is installed, not what is free.
std::optional<Tier> tier_of_host(const Host& host, const std::vector<TierRule>& rules) {
  return host.memory.total.known() ? tier_of(*host.memory.total.value, rules) : std::nullopt;
}

bool is_measurement_of(const BenchmarkResult& result, const probe::BenchmarkRequest& request) {
  return (request.memory && result.name.starts_with("memory.")) ||
         (request.compute && result.name.starts_with("compute.")) ||
         (request.storage && result.name.starts_with("storage."));
}

/// The largest file in the model folder, since that is a model if any is. Empty where none is large enough.
std::string largest_file(const FileReader& files, const std::string& folder) {
  constexpr Bytes smallest_worth = mebibytes(64);
  std::string largest;
  Bytes size = smallest_worth;
  const auto names = files.list(folder);
  if (!names) return largest;
  for (const auto& name : *names) {
    const std::string path = folder + "/" + name;
    const auto file = files.open(path);
    if (!file || (*file)->size() <= size) continue;
    size = (*file)->size();
    largest = path;
  }
  return largest;
}

/// Measures what is requested; newer results take the place of saved ones.
Result<void> measure(const Services& services, const ProbeOptions& options, Host& host,
                     const std::function<void(const std::string&)>& progress) {
  auto wanted = options.benchmarks;
  if (!wanted.memory && !wanted.compute && !wanted.storage) return {};
  if (!options.root.empty() || services.benchmarks == nullptr)
    return fail(ErrorCode::usage, "--bench measures this machine, not a recorded one", "Leave out --root.");
  if (wanted.storage && wanted.file.empty() && !options.model_folder.empty())
    wanted.file = largest_file(services.files, options.model_folder);
  host.benchmarks.erase(
      std::remove_if(host.benchmarks.begin(), host.benchmarks.end(),
                     [&](const BenchmarkResult& result) { return is_measurement_of(result, wanted); }),
      host.benchmarks.end());
  const auto load = services.files.read_text("/proc/loadavg");
  if (auto busy = probe::busy_warning(load.value_or(""))) host.warnings.push_back(std::move(*busy));
  return probe::run_benchmarks(*services.benchmarks, wanted, host, progress);
}

Result<void> check_folders(const Services& services, const ProbeOptions& options) {
  if (!options.root.empty() && !services.files.is_folder(options.root))
    return fail(ErrorCode::not_found, fmt::format("--root {}: is no folder", options.root),
                "Unpack the recorded tree first.");
  if (options.root.empty() && !options.model_folder.empty() &&
      !services.files.is_folder(options.model_folder))
    return fail(ErrorCode::not_found, fmt::format("--model-dir {}: is no folder", options.model_folder),
                "Name an existing folder.");
  return {};
}

Result<Host> observed(const Services& services, const ProbeOptions& options, Observation& observation) {
  if (auto checked = check_folders(services, options); !checked) return tl::unexpected(checked.error());
  Host host = observation.look();
  // An overridden model shall bring its own bandwidth, an overridden bandwidth shall stand.
  if (!options.overrides.cpu_model.empty())
    host.memory.bandwidth = unknown<BytesPerSecond>("--cpu-model names another processor");
  if (auto applied = probe::apply_overrides(host, options.overrides); !applied)
    return tl::unexpected(applied.error());
  if (auto described = describe_stated_gpus(services, options.overrides, host); !described)
    return tl::unexpected(described.error());
  add_catalog_facts(services, host);
  observation.add_measurements(host);
  if (options.facts.empty()) return host;
  auto stated = render::with_stated_facts(host, options.facts);
  if (!stated) return stated;
  // What follows from a stated fact is derived anew, and what is stated itself stands.
  probe::derive_effective(*stated);
  return render::with_stated_facts(*stated, options.facts);
}

std::string document(const ProbeOptions& options, const Host& host, const std::optional<Tier>& tier) {
  if (options.json) return render::host_json(host, tier);
  return options.markdown ? render::host_markdown(host, tier)
                          : render::host_text(host, tier, options.explain);
}

}  // namespace

Result<Host> probe_host(const Services& services, const ProbeOptions& options) {
  Observation observation(services, options);
  return observed(services, options, observation);
}

Result<Outcome> run_probe(const Services& services, const ProbeOptions& options,
                          const std::function<void(const std::string&)>& progress) {
  if (options.diff) return compare(services, options);
  if (!options.files.empty())
    return fail(ErrorCode::usage, fmt::format("probe takes no \"{}\"", options.files.front()),
                "llmsize probe --help shows what it takes.");
  const auto rules = catalog::load_tiers(services.catalog);
  if (!rules) return tl::unexpected(rules.error());
  Observation observation(services, options);
  auto host = observed(services, options, observation);
  if (!host) return tl::unexpected(host.error());
  if (auto done = measure(services, options, *host, progress); !done) return tl::unexpected(done.error());
  if (options.save) {
    const auto path = save_host_profile(services, *host);
    if (!path) return tl::unexpected(path.error());
    progress(fmt::format("kept in {}; estimate and plan use it from now on", *path));
  }
  const auto tier = tier_of_host(*host, *rules);
  if (options.dump.empty()) return Outcome{document(options, *host, tier)};
  if (auto written = observation.write(*host); !written) return tl::unexpected(written.error());
  // Who asks for a document gets the one to which the recording replays.
  if (options.json || options.markdown)
    return Outcome{document(options, *host, tier), exit_status::done, observation.summary()};
  return Outcome{observation.summary() + "\n"};
}

}  // namespace llmsize::app
