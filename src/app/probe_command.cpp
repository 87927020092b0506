#include "llmsize/app/probe_command.hpp"

#include <fmt/format.h>

#include "llmsize/catalog/tiers.hpp"
#include "llmsize/probe/probe.hpp"
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

/// The memory by which the tier goes: what is installed, not what is free.
std::optional<Tier> tier_of_host(const Host& host, const std::vector<TierRule>& rules) {
  return host.memory.total.known() ? tier_of(*host.memory.total.value, rules) : std::nullopt;
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
  probe::apply_overrides(host, options.overrides);
  return host;
}

Result<Outcome> run_probe(const Services& services, const ProbeOptions& options) {
  if (options.diff) return compare(services, options);
  if (!options.files.empty())
    return fail(ErrorCode::usage, fmt::format("probe takes no \"{}\"", options.files.front()),
                "llmsize probe --help shows what it takes.");
  const auto rules = catalog::load_tiers(services.catalog);
  if (!rules) return tl::unexpected(rules.error());
  const auto host = probe_host(services, options);
  if (!host) return tl::unexpected(host.error());
  const auto tier = tier_of_host(*host, *rules);
  if (options.json) return Outcome{render::host_json(*host, tier)};
  if (options.markdown) return Outcome{render::host_markdown(*host, tier)};
  return Outcome{render::host_text(*host, tier, options.explain)};
}

}  // namespace llmsize::app
