#pragma once
#include <nlohmann/json_fwd.hpp>

#include "llmsize/core/hyperparameters.hpp"
#include "llmsize/core/result.hpp"

namespace llmsize::catalog {

/// A JSON object of metadata keys as Hyperparameters: numbers, texts, booleans (as 0 and 1) and lists of
/// numbers or booleans. Null values are left out, as unknown. Errors: malformed, naming the key.
Result<Hyperparameters> read_hyperparameters(const nlohmann::json& object);

}  // namespace llmsize::catalog
