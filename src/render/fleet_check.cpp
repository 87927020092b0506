#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/core/text.hpp"
#include "llmsize/render/fleet.hpp"

namespace llmsize::render {
namespace {

using Json = nlohmann::ordered_json;

std::string status_text(const CheckedHost& host) {
  const std::string roles = fmt::format("{}", fmt::join(host.lost_roles, ", "));
  switch (host.status) {
    case HostCheck::fits:
      return "fits";
    case HostCheck::free:
      return "free";
    case HostCheck::missing:
      return host.lost_roles.empty() ? "has no probe; it was free" : "has no probe; it served " + roles;
    case HostCheck::does_not_fit:
      break;
  }
  std::string text = "would lose " + roles;
  if (host.lacking > Bytes(0)) text += ", lacking " + size_text(host.lacking);
  return text;
}

}  // namespace

std::string fleet_check_json(const FleetCheck& check) {
  Json document = {{"schema", "llmsize.fleet_check/1"},
                   {"file", check.file},
                   {"folder", check.folder},
                   {"fits", check.fits()},
                   {"hosts", Json::array()},
                   {"new_hosts", check.added},
                   {"left_out", Json::array()},
                   {"notes", check.notes}};
  for (const auto& host : check.hosts)
    document["hosts"].push_back({{"name", host.name},
                                 {"group", host.group.empty() ? Json() : Json(host.group)},
                                 {"status", host_check_name(host.status)},
                                 {"lost_roles", host.lost_roles},
                                 {"lacking_bytes", host.lacking.value()}});
  for (const auto& bad : check.left_out)
    document["left_out"].push_back({{"file", bad.file}, {"reason", bad.reason}});
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

std::string fleet_check_text(const FleetCheck& check) {
  std::vector<std::string> bad;
  std::size_t serving = 0;
  for (const auto& host : check.hosts) {
    if (!host.group.empty()) ++serving;
    if (!host.lost_roles.empty()) bad.push_back(host.name + " " + status_text(host));
  }
  std::string page =
      bad.empty()
          ? fmt::format("{} fits: each of its {} serving hosts still holds what it was given.\n", check.file,
                        serving)
          : fmt::format("{} does not fit: {}. Next: llmsize plan --hosts {} makes a plan for these hosts.\n",
                        check.file, fmt::join(bad, "; "), check.folder);
  std::size_t names = 0, groups = 0;
  for (const auto& name : check.added) names = std::max(names, name.size());
  for (const auto& host : check.hosts) {
    names = std::max(names, host.name.size());
    groups = std::max(groups, host.group.size());
  }
  page += "\nHosts\n";
  for (const auto& host : check.hosts)
    page += fmt::format("  {:<{}}  {:<{}}  {}\n", host.name, names, host.group, groups, status_text(host));
  for (const auto& name : check.added)
    page += fmt::format("  {:<{}}  {:<{}}  new, not in the plan\n", name, names, "", groups);
  if (!check.left_out.empty()) page += "\nLeft out\n";
  for (const auto& file : check.left_out) page += fmt::format("  {}: {}\n", file.file, file.reason);
  if (!check.notes.empty()) page += "\nNotes\n";
  for (const auto& note : check.notes) page += fmt::format("  - {}\n", note);
  return page;
}

}  // namespace llmsize::render
