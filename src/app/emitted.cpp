#include "llmsize/app/emitted.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace llmsize::app {
namespace {

constexpr const char* plan_itself = "json";

/// Names of hosts end up in labels, URLs and scripts.
Result<void> check_names(const FleetDeployment& fleet) {
  constexpr const char* plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  for (const auto& hosts : fleet.classes)
    for (const auto& host : hosts.hosts)
      if (host.empty() || host.find_first_not_of(plain) != std::string::npos)
        return fail(ErrorCode::malformed, fmt::format("\"{}\" cannot be the name of a host", host),
                    "Name its probe as the host is called: letters, digits, dots and dashes.");
  return {};
}

}  // namespace

Result<const emit::Emitter*> emitter_named(const std::string& name) {
  std::vector<std::string> names;
  for (const auto& emitter : emit::emitters()) {
    if (emitter.id == name) return &emitter;
    names.emplace_back(emitter.id);
  }
  return fail(ErrorCode::usage, fmt::format("--emit {}: there is no such format", name),
              fmt::format("Use one of: {}.", fmt::join(names, ", ")));
}

Result<Outcome> emitted(const Services& services, const PlanOptions& options, const FleetDeployment& fleet,
                        int status) {
  const std::string format = options.emit.empty() ? plan_itself : options.emit;
  const auto emitter = emitter_named(format);
  if (!emitter) return tl::unexpected(emitter.error());
  const bool serves = std::any_of(fleet.classes.begin(), fleet.classes.end(),
                                  [](const HostClass& hosts) { return !hosts.deployment.servers.empty(); });
  if (!serves && format != plan_itself)
    return Outcome{
        "", status,
        fmt::format("the plan has no server, so there is nothing to write as {}. Without --emit it "
                    "says why each role found no place.",
                    format)};
  if (auto checked = check_names(fleet); !checked) return tl::unexpected(checked.error());
  const auto files = (*emitter)->emit(fleet);
  if (options.out.empty()) return Outcome{emit::joined(files), status, {}, true};
  std::vector<FolderFile> folder;
  std::string names;
  for (const auto& file : files) {
    folder.push_back({file.name, file.content, file.executable});
    names += fmt::format("{}/{}\n", options.out, file.name);
  }
  if (auto written = services.writer.write_folder(options.out, folder); !written)
    return tl::unexpected(written.error());
  return Outcome{std::move(names), status};
}

}  // namespace llmsize::app
