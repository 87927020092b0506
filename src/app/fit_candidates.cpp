#include "llmsize/app/fit_candidates.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/file_types.hpp"
#include "llmsize/catalog/roles.hpp"
#include "llmsize/core/text.hpp"

namespace llmsize::app {
namespace {

using Json = nlohmann::json;

/// Those that the plan's balanced policy chooses from.
const std::vector<std::string>& usual_quants() {
  static const std::vector<std::string> quants = {"Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K"};
  return quants;
}

std::string text_at(const Json& entry, const char* key) {
  const auto found = entry.find(key);
  return found != entry.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::int64_t number_at(const Json& entry, const char* key) {
  const auto found = entry.find(key);
  return found != entry.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

std::vector<std::string> texts_at(const Json& entry, const char* key) {
  std::vector<std::string> texts;
  const auto found = entry.find(key);
  if (found == entry.end() || !found->is_array()) return texts;
  for (const auto& text : *found)
    if (text.is_string()) texts.push_back(text.get<std::string>());
  return texts;
}

/// How models with one capability are told from the others (data/model_capabilities.json).
struct CapabilityRule {
  std::vector<std::string> names;   ///< Parts of ids.
  std::set<std::string> models;     ///< Ids, also those that a role with this need names.
  std::int64_t lowest_context = 0;  ///< Of the training; 0: none.

  [[nodiscard]] bool holds(std::string_view id, std::int64_t trained_context) const {
    if (lowest_context > 0 && trained_context >= lowest_context) return true;
    return models.contains(std::string(id)) ||
           std::any_of(names.begin(), names.end(),
                       [&](const std::string& part) { return id.find(part) != std::string_view::npos; });
  }
};

Result<CapabilityRule> capability_rule(const Services& services, const std::string& name) {
  const auto entry = services.catalog.get("model_capability", name);
  if (!entry) {
    std::vector<std::string> known;
    for (const auto& reference : services.catalog.list("model_capability")) known.emplace_back(reference.id);
    return fail(ErrorCode::usage,
                fmt::format("--capability {}: the catalog describes no such capability", name),
                fmt::format("Use one of: {}.", fmt::join(known, ", ")));
  }
  CapabilityRule rule;
  rule.names = texts_at(*entry, "names");
  for (auto& model : texts_at(*entry, "models")) rule.models.insert(std::move(model));
  rule.lowest_context = number_at(*entry, "lowest_context");
  for (const auto& reference : services.catalog.list("role")) {
    const auto role = catalog::load_role(services.catalog, std::string(reference.id));
    if (!role) return tl::unexpected(role.error());
    if (std::find(role->needs.begin(), role->needs.end(), name) == role->needs.end()) continue;
    for (const auto& candidate : role->candidates)
      if (rule.lowest_context == 0) rule.models.insert(candidate.model);
  }
  return rule;
}

/// Scores of the benchmark that most models share, by model.
std::map<std::string, SharedScore, std::less<>> shared_scores(const Services& services) {
  std::map<std::string, std::size_t> users;
  std::map<std::string, SharedScore, std::less<>> scores;
  for (const auto& reference : services.catalog.list("capability")) {
    const auto entry = services.catalog.parse(reference);
    if (!entry) continue;
    SharedScore score{entry->value("score", 0.0), text_at(*entry, "benchmark"), text_at(*entry, "source")};
    ++users[score.benchmark];
    scores.emplace(reference.id, std::move(score));
  }
  const auto most = std::max_element(users.begin(), users.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  for (auto score = scores.begin(); score != scores.end();)
    score = score->second.benchmark == most->first ? std::next(score) : scores.erase(score);
  return scores;
}

/// The filters of the options, ready to be asked about one entry.
class Filters {
 public:
  static Result<Filters> of(const Services& services, const FitOptions& options) {
    Filters filters(options);
    for (const auto& name : options.capabilities) {
      auto rule = capability_rule(services, name);
      if (!rule) return tl::unexpected(rule.error());
      filters.capabilities_.push_back(std::move(*rule));
    }
    for (const auto& family : options.families) filters.families_.push_back(folded_name(family));
    for (const auto& license : options.licenses) filters.licenses_.insert(folded_name(license));
    return filters;
  }

  /// By the index alone, before the entry is parsed.
  [[nodiscard]] bool allow_params(ParamCount total) const {
    return (!options_->lowest_params || total >= *options_->lowest_params) &&
           (!options_->highest_params || total <= *options_->highest_params);
  }

  [[nodiscard]] bool allow(const Json& entry, const FitCandidate& candidate) {
    seen_families_.emplace(folded_name(candidate.family), candidate.family);
    if (!candidate.license.empty()) seen_licenses_.emplace(folded_name(candidate.license), candidate.license);
    const std::string family = folded_name(candidate.family);
    if (!families_.empty() &&
        std::none_of(families_.begin(), families_.end(),
                     [&](const std::string& wanted) { return family.starts_with(wanted); }))
      return false;
    const auto shape = entry.find("hyperparameters");
    const auto context = shape != entry.end() && shape->is_object() ? number_at(*shape, "context_length") : 0;
    if (!std::all_of(capabilities_.begin(), capabilities_.end(),
                     [&](const CapabilityRule& rule) { return rule.holds(candidate.model, context); }))
      return false;
    const auto& wanted_context = options_->estimate.sizing.run.context_tokens;
    if (wanted_context && context > 0 && context < *wanted_context) {
      ++too_short_;
      return false;
    }
    if (licenses_.empty()) return true;
    if (candidate.license.empty()) ++without_license_;
    return licenses_.contains(folded_name(candidate.license));
  }

  /// Names that no entry answers to are mistakes rather than an empty table. After every entry was asked
  /// about; where sizes left some out, nobody knows.
  [[nodiscard]] Result<void> check_names() const {
    if (options_->lowest_params || options_->highest_params) return {};
    for (const auto& family : options_->families)
      if (std::none_of(seen_families_.begin(), seen_families_.end(),
                       [&](const auto& seen) { return seen.first.starts_with(folded_name(family)); }))
        return unknown_name("--family", family, seen_families_);
    for (const auto& license : options_->licenses)
      if (!seen_licenses_.contains(folded_name(license)))
        return unknown_name("--license", license, seen_licenses_);
    return {};
  }

  [[nodiscard]] std::size_t without_license() const { return without_license_; }
  [[nodiscard]] std::size_t too_short() const { return too_short_; }

 private:
  explicit Filters(const FitOptions& options) : options_(&options) {}

  static Result<void> unknown_name(const char* flag, const std::string& name,
                                   const std::map<std::string, std::string>& seen) {
    std::vector<std::string> known;
    for (const auto& [folded, spelled] : seen) known.push_back(spelled);
    return fail(ErrorCode::usage, fmt::format("{} {}: no model of the catalog has it", flag, name),
                fmt::format("Use one of: {}.", fmt::join(known, ", ")));
  }

  const FitOptions* options_;
  std::vector<CapabilityRule> capabilities_;
  std::vector<std::string> families_;
  std::set<std::string> licenses_;
  std::map<std::string, std::string> seen_families_, seen_licenses_;  ///< As spelled, by folded name.
  std::size_t without_license_ = 0;
  std::size_t too_short_ = 0;
};

/// Parameters used for each token: as stated, else the used share of the experts.
std::optional<ParamCount> active_params(const Json& entry, ParamCount total) {
  if (const auto stated = number_at(entry, "active_params"); stated > 0) return ParamCount(stated);
  const auto shape = entry.find("hyperparameters");
  if (shape == entry.end() || !shape->is_object()) return std::nullopt;
  const auto experts = number_at(*shape, "expert_count"), used = number_at(*shape, "expert_used_count");
  if (experts <= 0 || used <= 0 || used >= experts) return std::nullopt;
  const double share = static_cast<double>(used) / static_cast<double>(experts);
  return ParamCount(std::llround(static_cast<double>(total.value()) * share));
}

}  // namespace

Result<std::vector<FitCandidate>> fit_candidates(const Services& services, const FitOptions& options,
                                                 std::vector<std::string>& notes) {
  auto filters = Filters::of(services, options);
  if (!filters) return tl::unexpected(filters.error());
  const auto scores = shared_scores(services);
  std::vector<FitCandidate> candidates;
  std::size_t incomplete = 0;
  for (const auto& reference : services.catalog.list("model")) {
    if (!filters->allow_params(ParamCount(reference.total_params))) continue;
    const auto entry = services.catalog.parse(reference);
    if (!entry) continue;
    FitCandidate candidate;
    candidate.model = std::string(reference.id);
    candidate.family = text_at(*entry, "family");
    candidate.license = text_at(*entry, "license");
    candidate.released = text_at(*entry, "release_date");
    candidate.total = ParamCount(reference.total_params);
    candidate.active = active_params(*entry, candidate.total);
    if (const auto score = scores.find(candidate.model); score != scores.end())
      candidate.score = score->second;
    if (!filters->allow(*entry, candidate)) continue;
    if (reference.total_params <= 0 || entry->contains("missing"))
      ++incomplete;
    else
      candidates.push_back(std::move(candidate));
  }
  if (auto checked = filters->check_names(); !checked) return tl::unexpected(checked.error());
  if (incomplete > 0)
    notes.push_back(
        fmt::format("{} models are left out: no public source states all of their shape", incomplete));
  if (filters->too_short() > 0)
    notes.push_back(fmt::format("{} models are left out: they were trained for less context than --ctx-size",
                                filters->too_short()));
  if (filters->without_license() > 0)
    notes.push_back(fmt::format("--license left out {} models whose license the catalog does not state",
                                filters->without_license()));
  return candidates;
}

Result<std::vector<FitQuant>> fit_quants(const Services& services, const FitOptions& options) {
  const auto losses = catalog::load_quant_losses(services.catalog);
  if (!losses) return tl::unexpected(losses.error());
  std::vector<FitQuant> quants;
  for (const auto& name : options.quant.empty() ? usual_quants() : std::vector{options.quant}) {
    const auto type = catalog::load_file_type(services.catalog, services.types, name);
    if (!type) return tl::unexpected(type.error());
    const auto loss = losses->find(type->id);
    quants.push_back(
        {type->id, loss == losses->end() ? 0 : loss->second, type->default_type.bits_per_weight()});
  }
  return quants;
}

FitRank rank_of(const FitCandidate& candidate, double loss, FitOrder order) {
  FitRank rank;
  rank.scored = order == FitOrder::score && candidate.score.has_value();
  if (rank.scored) {
    rank.value = candidate.score->value * retained_quality(loss);
    return rank;
  }
  rank.value = equivalent_params(candidate.total, candidate.active) * retained_quality(loss) *
               worth_by_date(candidate.released);
  rank.released = candidate.released;
  return rank;
}

}  // namespace llmsize::app
