#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "llmsize/core/fact.hpp"
#include "llmsize/core/plan.hpp"

namespace llmsize {

/// A model that may fill a role, as data/roles.json ranks it.
struct RoleCandidate {
  std::string model;           ///< Catalog id.
  Fact<double> capability;     ///< 0 to 1: a public score where `reported`, a curated rank where `assumed`.
  bool guides_choice = false;  ///< The sizing guide names this model for this role.
};

/// A role as data/roles.json describes it, before any model is sized.
struct RoleDefinition {
  std::string id;
  int priority = 0;
  double weight = 1;
  PlanTier preference = PlanTier::hot;
  bool required = false;
  bool cloud = false;
  /// Machines with less memory leave the role out: the guide gives it none there.
  std::int64_t lowest_gib = 0;
  std::string draft_for;  ///< The role whose model this one drafts for; usually empty.
  std::vector<std::string> needs;
  std::optional<std::int64_t> context_tokens;  ///< Of this role; otherwise the plan's.
  std::optional<std::int64_t> parallel;        ///< Slots, likewise.
  std::optional<LoadMode> load_mode;     ///< `none`: a private copy of the weights; otherwise the plan's.
  std::optional<double> lowest_quality;  ///< 0 to 1.
  std::optional<double> lowest_speed;    ///< Tokens per second.
  std::vector<RoleCandidate> candidates;
};

/// Mean KL divergence by file type id: what quantizing costs, in nats per token.
using QuantLosses = std::map<std::string, double, std::less<>>;

}  // namespace llmsize
