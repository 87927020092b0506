#pragma once
#include <optional>
#include <string>
#include <vector>

#include "llmsize/core/units.hpp"

namespace llmsize {

/// A tier of the sizing guide: machines from `lowest_gib` upwards, until the next rule's begin.
struct TierRule {
  std::string id;
  std::string name;
  std::int64_t lowest_gib = 0;
  std::string advice;
  /// The size at which the guide's table of configurations has this name, which is not where its script
  /// begins the tier; 0 where the table has none.
  std::int64_t configuration_gib = 0;
};

struct Tier {
  TierRule rule;
  std::int64_t whole_gib = 0;  ///< What `free -g` prints, by which the guide's script decides.
  /// Why a machine sold with more memory than it reports lies below, or what the guide's other table calls
  /// this size; may be empty.
  std::string note;
};

/// The tier of a machine with this much memory: by whole GiB, rounded down, as the guide's script compares
/// them. Nothing without rules.
std::optional<Tier> tier_of(Bytes total, const std::vector<TierRule>& rules);

}  // namespace llmsize
