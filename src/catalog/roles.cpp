#include "llmsize/catalog/roles.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace llmsize::catalog {
namespace {

using nlohmann::json;

/// Where a role was read and what is wrong with it.
tl::unexpected<Error> broken(const std::string& where, const std::string& what) {
  return fail(ErrorCode::malformed, fmt::format("{}: {}", where, what),
              "docs/ADDING.md, \"A role\", shows the form.");
}

bool flag(const json& entry, const char* key) {
  const auto found = entry.find(key);
  return found != entry.end() && found->is_boolean() && found->get<bool>();
}

std::string text(const json& entry, const char* key) {
  const auto found = entry.find(key);
  return found != entry.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<PlanTier> tier_named(const std::string& name) {
  for (const PlanTier tier : {PlanTier::hot, PlanTier::warm, PlanTier::cold})
    if (name == plan_tier_name(tier)) return tier;
  return std::nullopt;
}

/// How the role's server loads its weights; nothing where the key is absent, so that the plan decides.
Result<std::optional<LoadMode>> load_mode(const json& entry, const std::string& where) {
  if (!entry.contains("load_mode")) return std::nullopt;
  constexpr std::pair<const char*, LoadMode> modes[] = {
      {"mmap", LoadMode::mmap}, {"none", LoadMode::none}, {"mlock", LoadMode::mlock}};
  for (const auto& [name, mode] : modes)
    if (text(entry, "load_mode") == name) return mode;
  return broken(where, "\"load_mode\" must be mmap, none or mlock");
}

/// A number within bounds; nothing where the key is absent.
Result<std::optional<double>> number(const json& entry, const char* key, double lowest, double highest,
                                     const std::string& where) {
  const auto found = entry.find(key);
  if (found == entry.end() || found->is_null()) return std::nullopt;
  if (!found->is_number() || !(found->get<double>() >= lowest && found->get<double>() <= highest))
    return broken(where, fmt::format("\"{}\" must be a number from {} to {}", key, lowest, highest));
  return found->get<double>();
}

/// Names become parts of command lines and file names.
bool is_plain_name(const std::string& id) {
  constexpr std::size_t longest = 40;
  constexpr const char* plain = "abcdefghijklmnopqrstuvwxyz0123456789_";
  return !id.empty() && id.size() <= longest && id.find_first_not_of(plain) == std::string::npos;
}

/// What a list of names without figures says: each is a little worse than the one before.
constexpr double first_rank = 0.8, rank_step = 0.09, lowest_rank = 0.01;

Result<std::vector<RoleCandidate>> candidates(const json& entry, const std::string& where) {
  std::vector<RoleCandidate> list;
  double rank = first_rank;
  const auto found = entry.find("candidates");
  if (found == entry.end()) return list;
  if (!found->is_array()) return broken(where, "\"candidates\" must be a list");
  for (const auto& row : *found) {
    RoleCandidate candidate;
    candidate.model = row.is_string() ? row.get<std::string>() : row.is_object() ? text(row, "model") : "";
    if (candidate.model.empty())
      return broken(where, "each candidate is a model's name, or has a \"model\" and a \"capability\"");
    const auto capability = row.is_object() ? number(row, "capability", 0, 1, where)
                                            : Result<std::optional<double>>(std::nullopt);
    if (!capability) return tl::unexpected(capability.error());
    if (row.is_object() && !*capability)
      return broken(where, "each candidate needs a \"model\" and a \"capability\" from 0 to 1");
    candidate.capability = text(row, "basis") == "reported"
                               ? reported(**capability, "Aider polyglot pass_rate_2, data/capabilities.json")
                               : assumed(capability->value_or(rank), "curated rank");
    candidate.guides_choice = row.is_object() && flag(row, "guide");
    rank = std::max(lowest_rank, rank - rank_step);
    list.push_back(std::move(candidate));
  }
  return list;
}

Result<void> read_numbers(const json& entry, const std::string& where, RoleDefinition& role) {
  constexpr double highest_number = 1e6, most_tokens = 1 << 30, most_slots = 256;
  const auto priority = number(entry, "priority", 1, highest_number, where);
  const auto weight = number(entry, "weight", 0, highest_number, where);
  const auto lowest_gib = number(entry, "lowest_gib", 0, highest_number, where);
  const auto context = number(entry, "context_tokens", 1, most_tokens, where);
  const auto parallel = number(entry, "parallel", 1, most_slots, where);
  const auto quality = number(entry, "min_quality", 0, 1, where);
  const auto speed = number(entry, "min_tokens_per_second", 0, highest_number, where);
  for (const auto* value : {&priority, &weight, &lowest_gib, &context, &parallel, &quality, &speed})
    if (!*value) return tl::unexpected(value->error());
  if (!*priority) return broken(where, "\"priority\" must be a number from 1 to 1000000");
  role.priority = static_cast<int>(**priority);
  role.weight = weight->value_or(1);
  role.lowest_gib = static_cast<std::int64_t>(lowest_gib->value_or(0));
  if (*context) role.context_tokens = static_cast<std::int64_t>(**context);
  if (*parallel) role.parallel = static_cast<std::int64_t>(**parallel);
  role.lowest_quality = *quality;
  role.lowest_speed = *speed;
  return {};
}

Result<RoleDefinition> parse_role(const std::string& id, const json& entry, const std::string& where) {
  RoleDefinition role;
  role.id = id;
  if (!is_plain_name(id))
    return broken(where, fmt::format("\"{}\" is no name for a role: use lower-case letters, digits and _",
                                     id.substr(0, 60)));
  if (auto read = read_numbers(entry, where, role); !read) return tl::unexpected(read.error());
  const auto tier = tier_named(text(entry, "tier"));
  if (!tier) return broken(where, "\"tier\" must be HOT, WARM or COLD");
  role.preference = *tier;
  role.required = flag(entry, "required");
  role.cloud = flag(entry, "cloud");
  role.draft_for = text(entry, "draft_for");
  if (const auto needs = entry.find("needs"); needs != entry.end() && needs->is_array())
    for (const auto& need : *needs)
      if (need.is_string()) role.needs.push_back(need.get<std::string>());
  const auto mode = load_mode(entry, where);
  if (!mode) return tl::unexpected(mode.error());
  role.load_mode = *mode;
  auto list = candidates(entry, where);
  if (!list) return tl::unexpected(list.error());
  role.candidates = std::move(*list);
  return role;
}

void sort_by_priority(std::vector<RoleDefinition>& roles) {
  std::stable_sort(roles.begin(), roles.end(),
                   [](const RoleDefinition& a, const RoleDefinition& b) { return a.priority < b.priority; });
}

enum class Shape { text, number, flag, texts, list };

/// The keys of a role in a file; a source may say where it comes from.
const std::map<std::string, Shape>& role_keys() {
  static const std::map<std::string, Shape> keys = {
      {"as_of", Shape::text},        {"candidates", Shape::list},
      {"cloud", Shape::flag},        {"context_tokens", Shape::number},
      {"draft_for", Shape::text},    {"id", Shape::text},
      {"like", Shape::text},         {"load_mode", Shape::text},
      {"lowest_gib", Shape::number}, {"min_quality", Shape::number},
      {"needs", Shape::texts},       {"min_tokens_per_second", Shape::number},
      {"parallel", Shape::number},   {"priority", Shape::number},
      {"required", Shape::flag},     {"source", Shape::text},
      {"tier", Shape::text},         {"weight", Shape::number}};
  return keys;
}

const std::map<std::string, Shape>& candidate_keys() {
  static const std::map<std::string, Shape> keys = {
      {"basis", Shape::text}, {"capability", Shape::number}, {"guide", Shape::flag}, {"model", Shape::text}};
  return keys;
}

bool has_shape(const json& value, Shape shape) {
  switch (shape) {
    case Shape::text:
      return value.is_string();
    case Shape::number:
      return value.is_number() || value.is_null();
    case Shape::flag:
      return value.is_boolean();
    case Shape::texts:
      return value.is_array() &&
             std::all_of(value.begin(), value.end(), [](const json& item) { return item.is_string(); });
    case Shape::list:
      return value.is_array();
  }
  return false;
}

/// A key that nothing reads, or a value that nothing understands, would be a wish that is silently ignored.
Result<void> check_keys(const json& object, const std::map<std::string, Shape>& known,
                        const std::string& where) {
  constexpr const char* names[] = {"a text", "a number", "true or false", "a list of texts", "a list"};
  for (const auto& [key, value] : object.items()) {
    const auto found = known.find(key);
    const std::string place = where + "/" + key.substr(0, 60);
    if (found == known.end()) {
      std::vector<std::string> keys;
      for (const auto& entry : known) keys.push_back(entry.first);
      return fail(ErrorCode::malformed, place + ": there is no such key",
                  fmt::format("Known keys: {}.", fmt::join(keys, ", ")));
    }
    if (!has_shape(value, found->second))
      return broken(place, fmt::format("must be {}", names[static_cast<int>(found->second)]));
  }
  return {};
}

Result<void> check_role_keys(const json& stated, const std::string& where) {
  if (!stated.is_object()) return {};
  if (auto checked = check_keys(stated, role_keys(), where); !checked) return checked;
  const auto list = stated.find("candidates");
  for (std::size_t i = 0; list != stated.end() && i < list->size(); ++i) {
    const json& candidate = (*list)[i];
    if (!candidate.is_object()) continue;
    const std::string place = fmt::format("{}/candidates/{}", where, i);
    if (auto checked = check_keys(candidate, candidate_keys(), place); !checked) return checked;
  }
  return {};
}

/// A role of a file: what it says over what the catalog's role of that name, or the one it is "like", says.
Result<json> completed(const Catalog& catalog, const json& stated, std::size_t position,
                       const std::string& where) {
  json entry = {{"priority", position + 1}, {"tier", "HOT"}};
  if (!stated.is_string() && !stated.is_object())
    return broken(where, "a role is a name, or an object with an \"id\"");
  if (auto checked = check_role_keys(stated, where); !checked) return tl::unexpected(checked.error());
  const std::string id = stated.is_string() ? stated.get<std::string>() : text(stated, "id");
  const std::string like = stated.is_object() && stated.contains("like") ? text(stated, "like") : id;
  if (const auto reference = catalog.find("role", like)) {
    const auto known = catalog.parse(*reference);
    if (!known) return tl::unexpected(known.error());
    entry.merge_patch(*known);
  } else if (stated.is_string() || like != id) {
    return fail(ErrorCode::not_found, fmt::format("{}: the catalog has no role \"{}\"", where, like),
                catalog.similar_hint("role", like));
  }
  if (stated.is_object()) entry.merge_patch(stated);
  entry["id"] = id;
  return entry;
}

bool has_all(const std::vector<std::string>& tags, const std::vector<std::string>& needs) {
  return std::all_of(needs.begin(), needs.end(), [&](const std::string& need) {
    return std::find(tags.begin(), tags.end(), need) != tags.end();
  });
}

double parameters_of(const Catalog& catalog, const std::string& model) {
  const auto entry = catalog.get("model", model);
  if (!entry) return 0;
  const auto found = entry->find("total_params");
  return found != entry->end() && found->is_number() ? found->get<double>() : 0;
}

/// Candidates of a role that states only needs: the models that the catalog's roles with all these needs
/// name. Their ranks there compare within one role only, so here the larger model ranks higher: assumed.
Result<std::vector<RoleCandidate>> candidates_for(const Catalog& catalog,
                                                  const std::vector<std::string>& needs,
                                                  const std::string& where) {
  std::set<std::string> models, tags;
  for (const auto& reference : catalog.list("role")) {
    const auto role = load_role(catalog, std::string(reference.id));
    if (!role) return tl::unexpected(role.error());
    tags.insert(role->needs.begin(), role->needs.end());
    if (!has_all(role->needs, needs)) continue;
    for (const auto& candidate : role->candidates) models.insert(candidate.model);
  }
  if (models.empty())
    return fail(ErrorCode::not_found,
                fmt::format("{}: no role of the catalog has models for all of: {:.200}", where,
                            fmt::format("{}", fmt::join(needs, ", "))),
                fmt::format("Known needs: {}. Or list \"candidates\".", fmt::join(tags, ", ")));
  std::vector<std::pair<double, std::string>> by_size;
  for (const auto& model : models) by_size.emplace_back(parameters_of(catalog, model), model);
  std::sort(by_size.begin(), by_size.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  std::vector<RoleCandidate> list;
  for (const auto& [size, model] : by_size) {
    RoleCandidate candidate;
    candidate.model = model;
    const auto left = static_cast<double>(by_size.size() - list.size());
    candidate.capability = assumed(first_rank * left / static_cast<double>(by_size.size()),
                                   "rank by size among models for its needs");
    list.push_back(std::move(candidate));
  }
  return list;
}

Result<void> check_models(const Catalog& catalog, const RoleDefinition& role, const std::string& where) {
  for (const auto& candidate : role.candidates)
    if (!catalog.find_by_name("model", candidate.model))
      return fail(ErrorCode::not_found,
                  fmt::format("{}: the catalog has no model \"{}\"", where, candidate.model.substr(0, 100)),
                  catalog.similar_hint("model", candidate.model));
  if (role.candidates.empty() && !role.cloud)
    return broken(where, "a role that no API serves needs \"candidates\", or \"needs\" to choose them by");
  return {};
}

}  // namespace

Result<RoleDefinition> load_role(const Catalog& catalog, const std::string& id) {
  const auto reference = catalog.find("role", id);
  if (!reference)
    return fail(ErrorCode::not_found, fmt::format("there is no role \"{}\"", id),
                catalog.similar_hint("role", id));
  const auto entry = catalog.parse(*reference);
  if (!entry) return tl::unexpected(entry.error());
  return parse_role(id, *entry, reference->location.describe());
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
  sort_by_priority(roles);
  return roles;
}

Result<std::vector<RoleDefinition>> parse_role_file(const Catalog& catalog, const std::string& content,
                                                    const std::string& path) {
  const auto document = json::parse(content, nullptr, false);
  if (document.is_discarded()) return broken(path, "this is no JSON");
  const auto list = document.is_object() ? document.find("roles") : document.end();
  if (!document.is_object() || list == document.end() || !list->is_array() || list->empty())
    return broken(path, "an object with a list of \"roles\" is needed");
  if (list->size() > most_plan_roles)
    return fail(ErrorCode::usage,
                fmt::format("{}: {} roles, and at most {} can be planned at once", path, list->size(),
                            most_plan_roles),
                "Split the roles into several plans.");
  std::vector<RoleDefinition> roles;
  std::set<std::string> ids;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string where = fmt::format("{}: /roles/{}", path, i);
    const auto entry = completed(catalog, (*list)[i], i, where);
    if (!entry) return tl::unexpected(entry.error());
    auto role = parse_role(text(*entry, "id"), *entry, where);
    if (!role) return tl::unexpected(role.error());
    if (!ids.insert(role->id).second) return broken(where, "the role \"" + role->id + "\" stands twice");
    if (role->candidates.empty() && !role->cloud && !role->needs.empty()) {
      auto chosen = candidates_for(catalog, role->needs, where);
      if (!chosen) return tl::unexpected(chosen.error());
      role->candidates = std::move(*chosen);
    }
    if (auto checked = check_models(catalog, *role, where); !checked) return tl::unexpected(checked.error());
    roles.push_back(std::move(*role));
  }
  sort_by_priority(roles);
  return roles;
}

Result<QuantLosses> load_quant_losses(const Catalog& catalog) {
  QuantLosses losses;
  constexpr double highest_loss = 100;  // Nats: already a model of nothing.
  for (const auto& reference : catalog.list("quant_quality")) {
    const auto entry = catalog.parse(reference);
    if (!entry) return tl::unexpected(entry.error());
    const std::string where = reference.location.describe();
    const auto plain = number(*entry, "kl_divergence", 0, highest_loss, where);
    const auto with_matrix = number(*entry, "kl_divergence_imatrix", 0, highest_loss, where);
    for (const auto* value : {&plain, &with_matrix})
      if (!*value) return tl::unexpected(value->error());
    if (!*plain && !*with_matrix) return broken(where, "a \"kl_divergence\" is needed");
    losses[std::string(reference.id)] = *plain ? **plain : **with_matrix;
  }
  return losses;
}

}  // namespace llmsize::catalog
