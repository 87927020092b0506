#pragma once
#include <vector>

#include "llmsize/catalog/catalog.hpp"
#include "llmsize/core/guide.hpp"
#include "llmsize/core/plan_explain.hpp"

namespace llmsize::catalog {

/// The guides' planning factors of data/guide_factors.json and the user's layers.
/// Errors: malformed where a factor is missing or no finite number from 0 up.
Result<GuideFactors> load_guide_factors(const Catalog& catalog);

/// The multipliers of the guide's quant table (data/guide.json, "quantization-impact").
Result<GuideMultipliers> load_guide_multipliers(const Catalog& catalog);

/// The configuration that the guide prints for a machine of this size, the next smaller where there is none;
/// empty below its decision tree's single 7B model (32 GiB).
Result<std::vector<GuideRecommendation>> load_guide_configuration(const Catalog& catalog, Bytes total);

/// The second guide's size tiers, smallest first, those without a range last.
Result<std::vector<SizeTier>> load_size_tiers(const Catalog& catalog);

}  // namespace llmsize::catalog
