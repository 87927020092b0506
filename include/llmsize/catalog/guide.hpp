#pragma once
#include <vector>

#include "llmsize/catalog/catalog.hpp"
#include "llmsize/core/guide.hpp"

namespace llmsize::catalog {

/// The guides' planning factors of data/guide_factors.json and the user's layers.
/// Errors: malformed where a factor is missing or no finite number from 0 up.
Result<GuideFactors> load_guide_factors(const Catalog& catalog);

/// The multipliers of the guide's quant table (data/guide.json, "quantization-impact").
Result<GuideMultipliers> load_guide_multipliers(const Catalog& catalog);

/// The second guide's size tiers, smallest first, those without a range last.
Result<std::vector<SizeTier>> load_size_tiers(const Catalog& catalog);

}  // namespace llmsize::catalog
