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
};

struct Tier {
  TierRule rule;
  std::int64_t whole_gib = 0;  ///< What `free -g` prints, by which the guide's script decides.
  std::string note;  ///< Why a machine sold with more memory than it reports lies below; may be empty.
};

/// The tier of a machine with this much memory: by whole GiB, rounded down, as the guide's script compares
/// them. Nothing without rules.
std::optional<Tier> tier_of(Bytes total, const std::vector<TierRule>& rules);

}  // namespace llmsize
