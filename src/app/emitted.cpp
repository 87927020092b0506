#include "llmsize/app/emitted.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace llmsize::app {
namespace {

constexpr const char* plan_itself = "json";

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
  const auto files = (*emitter)->emit(fleet);
  if (options.out.empty()) return Outcome{emit::joined(files), status};
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
