#include "llmsize/app/saved_fleet.hpp"

#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace llmsize::app {
namespace {

using nlohmann::json;

/// Ten thousand hosts are read at most, so that more is no plan of ours.
constexpr std::size_t most_rows = 10'000;

tl::unexpected<Error> malformed(const std::string& path, const std::string& what) {
  return fail(ErrorCode::malformed, fmt::format("{}: {}", path, what),
              "Save a fleet plan with llmsize plan --hosts DIR --json.");
}

/// A list of objects; null where it is none or too long.
const json* rows_of(const json& document, const char* key) {
  const auto found = document.find(key);
  if (found == document.end() || !found->is_array() || found->size() > most_rows) return nullptr;
  for (const auto& row : *found)
    if (!row.is_object()) return nullptr;
  return &*found;
}

/// A text, or nothing where the member is null; an error for anything else.
Result<std::optional<std::string>> text_of(const json& row, const char* key, const std::string& where) {
  const auto found = row.find(key);
  if (found != row.end() && found->is_null()) return std::optional<std::string>();
  if (found == row.end() || !found->is_string())
    return fail(ErrorCode::malformed, fmt::format("{}/{} must be a text", where, key));
  return found->get<std::string>();
}

}  // namespace

Result<SavedFleet> parse_saved_fleet(const std::string& content, const std::string& path) {
  const auto document = json::parse(content, nullptr, false);
  if (!document.is_object() || !document.contains("schema") || document["schema"] != "llmsize.fleet_plan/1")
    return malformed(path, "this is no llmsize.fleet_plan/1");
  const json* groups = rows_of(document, "groups");
  const json* hosts = rows_of(document, "hosts");
  if (groups == nullptr || hosts == nullptr)
    return malformed(path, fmt::format("/groups and /hosts must be lists of at most {} objects", most_rows));
  SavedFleet fleet;
  std::map<std::string, std::size_t> group_of;
  for (std::size_t i = 0; i < groups->size(); ++i) {
    const std::string where = fmt::format("/groups/{}", i);
    const auto id = text_of((*groups)[i], "id", where);
    if (!id || !*id) return malformed(path, id ? where + "/id must be a text" : id.error().message);
    const auto plan = (*groups)[i].find("plan");
    if (plan == (*groups)[i].end()) return malformed(path, where + "/plan is missing");
    auto parsed = saved_plan_of(*plan, path + ": " + where + "/plan");
    if (!parsed) return tl::unexpected(parsed.error());
    group_of[**id] = fleet.groups.size();
    fleet.groups.push_back({**id, std::move(*parsed)});
  }
  for (std::size_t i = 0; i < hosts->size(); ++i) {
    const std::string where = fmt::format("/hosts/{}", i);
    const json& row = (*hosts)[i];
    const auto name = text_of(row, "name", where);
    const auto machine = text_of(row, "machine_id", where);
    const auto group = text_of(row, "group", where);
    for (const auto* text : {&name, &machine, &group})
      if (!*text) return malformed(path, text->error().message);
    if (!*name) return malformed(path, where + "/name must be a text");
    SavedFleetHost host{**name, machine->value_or(""), std::nullopt};
    if (*group) {
      const auto found = group_of.find(**group);
      if (found == group_of.end()) return malformed(path, where + "/group names no group");
      host.group = found->second;
    }
    fleet.hosts.push_back(std::move(host));
  }
  return fleet;
}

}  // namespace llmsize::app
