#include "llmsize/app/fleet_hosts.hpp"

#include <algorithm>
#include <cctype>
#include <set>

#include <fmt/format.h>

#include "llmsize/core/host_class.hpp"
#include "llmsize/render/host.hpp"

namespace llmsize::app {
namespace {

constexpr std::string_view suffix = ".json";
/// Ten times the fleets that are measured (docs/PERFORMANCE.md).
constexpr std::size_t most_hosts = 10'000;
/// A probe of 1,024 processors takes a tenth of it.
constexpr Bytes longest_probe = mebibytes(4);

/// What no plan needs of a host, and what takes most of its memory.
void forget_details(Host& host) {
  host.cpu.cores.clear();
  host.dimms.clear();
  host.warnings.clear();
  host.benchmarks.clear();
}

Result<Host> read_host(const Services& services, const std::string& folder, const std::string& file) {
  if (std::any_of(file.begin(), file.end(),
                  [](char c) { return std::iscntrl(static_cast<unsigned char>(c)) != 0; }))
    return fail(ErrorCode::malformed, "its name has control characters");
  const auto text = services.files.read_text(folder + "/" + file, longest_probe);
  if (!text) return tl::unexpected(text.error());
  auto host = render::host_from_json(*text, file);
  if (!host) return host;
  if (!host->memory.total.known() || !host->effective.memory.known())
    return fail(ErrorCode::malformed, "its memory is unknown");
  if (const auto contradiction = contradiction_in(*host)) return fail(ErrorCode::malformed, *contradiction);
  host->name = file.substr(0, file.size() - suffix.size());
  forget_details(*host);
  return host;
}

/// "FILE: reason", where the reason does not begin with the file already.
std::string line_of(const LeftOutHost& bad) {
  return bad.reason.find(bad.file) != std::string::npos ? bad.reason : bad.file + ": " + bad.reason;
}

/// Drops every host that is an earlier one again.
void leave_out_duplicates(FleetHosts& fleet) {
  std::set<std::size_t> dropped;
  for (const auto& [later, earlier] : duplicate_hosts(fleet.hosts)) {
    dropped.insert(later);
    fleet.left_out.push_back({fleet.hosts[later].name + std::string(suffix),
                              fmt::format("the same machine as {}{}", fleet.hosts[earlier].name, suffix)});
  }
  std::vector<Host> kept;
  for (std::size_t i = 0; i < fleet.hosts.size(); ++i)
    if (dropped.count(i) == 0) kept.push_back(std::move(fleet.hosts[i]));
  fleet.hosts = std::move(kept);
}

}  // namespace

Result<FleetHosts> read_fleet_hosts(const Services& services, const std::string& folder, bool skip_bad) {
  auto names = services.files.list(folder);
  if (!names) return tl::unexpected(names.error());
  std::erase_if(*names, [](const std::string& name) { return !name.ends_with(suffix); });
  std::sort(names->begin(), names->end());
  if (names->size() > most_hosts)
    return fail(ErrorCode::usage,
                fmt::format("{}: {} saved probes, and at most {} can be planned for at once", folder,
                            names->size(), most_hosts),
                "Split the folder into several fleets.");
  FleetHosts fleet;
  for (const auto& file : *names) {
    auto host = read_host(services, folder, file);
    if (host)
      fleet.hosts.push_back(std::move(*host));
    else
      fleet.left_out.push_back({file, host.error().message});
  }
  leave_out_duplicates(fleet);
  if (!fleet.left_out.empty() && (!skip_bad || fleet.hosts.empty())) {
    std::vector<std::string> lines;
    for (const auto& bad : fleet.left_out) lines.push_back(line_of(bad));
    return fail(ErrorCode::malformed,
                fmt::format("{}: {} of {} host files cannot be planned for: {}", folder, lines.size(),
                            names->size(), fmt::join(lines, "; ")),
                fmt::format("Save them again with llmsize probe --json{}.",
                            skip_bad ? "" : ", or leave them out with --skip-bad"));
  }
  if (fleet.hosts.empty())
    return fail(ErrorCode::not_found, fmt::format("{}: no saved probe (*.json) to plan for", folder),
                "Save one on each host: llmsize probe --json > HOST.json");
  return fleet;
}

}  // namespace llmsize::app
