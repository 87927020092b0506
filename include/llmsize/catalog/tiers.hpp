#pragma once
#include <vector>

#include "llmsize/catalog/catalog.hpp"
#include "llmsize/core/tier.hpp"

namespace llmsize::catalog {

/// The tiers of data/tiers.json and the user's layers, lowest first.
/// Errors: malformed, naming the entry's file and JSON pointer.
Result<std::vector<TierRule>> load_tiers(const Catalog& catalog);

}  // namespace llmsize::catalog
