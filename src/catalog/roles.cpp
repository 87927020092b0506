#include "llmsize/catalog/roles.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace llmsize::catalog {
namespace {

tl::unexpected<Error> broken(const EntryReference& reference, const std::string& what) {
  return fail(ErrorCode::malformed, fmt::format("{}: {}", reference.location.describe(), what),
              "Run llmsize catalog validate; docs/ADDING.md, \"A role\", shows the form.");
}

double number(const nlohmann::json& entry, const char* key, double otherwise) {
  const auto found = entry.find(key);
  return found != entry.end() && found->is_number() ? found->get<double>() : otherwise;
}

bool flag(const nlohmann::json& entry, const char* key) {
  const auto found = entry.find(key);
  return found != entry.end() && found->is_boolean() && found->get<bool>();
}

std::string text(const nlohmann::json& entry, const char* key) {
  const auto found = entry.find(key);
  return found != entry.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<PlanTier> tier_named(const std::string& name) {
  for (const PlanTier tier : {PlanTier::hot, PlanTier::warm, PlanTier::cold})
    if (name == plan_tier_name(tier)) return tier;
  return std::nullopt;
}

Result<std::vector<RoleCandidate>> candidates(const EntryReference& reference, const nlohmann::json& entry) {
  std::vector<RoleCandidate> list;
  for (const auto& row : entry.value("candidates", nlohmann::json::array())) {
    RoleCandidate candidate;
    candidate.model = row.is_object() ? text(row, "model") : "";
    const double capability = candidate.model.empty() ? -1 : number(row, "capability", -1);
    if (capability < 0 || capability > 1)
      return broken(reference, "each candidate needs a \"model\" and a \"capability\" from 0 to 1");
    candidate.capability = text(row, "basis") == "reported"
                               ? reported(capability, "Aider polyglot pass_rate_2, data/capabilities.json")
                               : assumed(capability, "curated rank in data/roles.json");
    candidate.guides_choice = flag(row, "guide");
    list.push_back(std::move(candidate));
  }
  return list;
}

}  // namespace

Result<RoleDefinition> load_role(const Catalog& catalog, const std::string& id) {
  const auto reference = catalog.find("role", id);
  if (!reference)
    return fail(ErrorCode::not_found, fmt::format("there is no role \"{}\"", id),
                fmt::format("Similar: {}.", fmt::join(catalog.similar("role", id), ", ")));
  const auto entry = catalog.parse(*reference);
  if (!entry) return tl::unexpected(entry.error());
  RoleDefinition role;
  role.id = id;
  constexpr double highest_number = 1e6;
  const double priority = number(*entry, "priority", 0);
  role.weight = number(*entry, "weight", 1);
  if (priority < 1 || priority > highest_number || role.weight < 0 || role.weight > highest_number)
    return broken(*reference, "\"priority\" must be from 1 and \"weight\" from 0 to 1000000");
  role.priority = static_cast<int>(priority);
  const auto tier = tier_named(text(*entry, "tier"));
  if (!tier) return broken(*reference, "\"tier\" must be HOT, WARM or COLD");
  role.preference = *tier;
  role.required = flag(*entry, "required");
  role.cloud = flag(*entry, "cloud");
  const double lowest_gib = number(*entry, "lowest_gib", 0);
  if (lowest_gib < 0 || lowest_gib > highest_number)
    return broken(*reference, "\"lowest_gib\" must be from 0 to 1000000");
  role.lowest_gib = static_cast<std::int64_t>(lowest_gib);
  role.draft_for = text(*entry, "draft_for");
  if (entry->contains("needs") && (*entry)["needs"].is_array())
    for (const auto& need : (*entry)["needs"])
      if (need.is_string()) role.needs.push_back(need.get<std::string>());
  if (entry->contains("candidates") && !(*entry)["candidates"].is_array())
    return broken(*reference, "\"candidates\" must be a list");
  auto list = candidates(*reference, *entry);
  if (!list) return tl::unexpected(list.error());
  role.candidates = std::move(*list);
  return role;
}

Result<std::vector<RoleDefinition>> load_role_set(const Catalog& catalog, const std::string& id) {
  const auto entry = catalog.get("role_set", id);
  if (!entry) return tl::unexpected(entry.error());
  std::vector<RoleDefinition> roles;
  if (!entry->contains("roles") || !(*entry)["roles"].is_array())
    return fail(ErrorCode::malformed, fmt::format("role set \"{}\" has no list of \"roles\"", id),
                "Run llmsize catalog validate.");
  for (const auto& name : (*entry)["roles"]) {
    auto role = load_role(catalog, name.is_string() ? name.get<std::string>() : "");
    if (!role) return tl::unexpected(role.error());
    roles.push_back(std::move(*role));
  }
  std::stable_sort(roles.begin(), roles.end(),
                   [](const RoleDefinition& a, const RoleDefinition& b) { return a.priority < b.priority; });
  return roles;
}

Result<QuantLosses> load_quant_losses(const Catalog& catalog) {
  QuantLosses losses;
  for (const auto& reference : catalog.list("quant_quality")) {
    const auto entry = catalog.parse(reference);
    if (!entry) return tl::unexpected(entry.error());
    const double loss = number(*entry, "kl_divergence", number(*entry, "kl_divergence_imatrix", -1));
    constexpr double highest_loss = 100;  // Nats: already a model of nothing.
    if (loss < 0 || loss > highest_loss) return broken(reference, "a divergence from 0 to 100 is needed");
    losses[std::string(reference.id)] = loss;
  }
  return losses;
}

}  // namespace llmsize::catalog
