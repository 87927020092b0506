#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "llmsize/catalog/catalog.hpp"
#include "llmsize/core/model.hpp"

namespace llmsize::catalog {

/// A catalog file that holds one model entry describing `model`, read from a GGUF header or a config.json, so
/// that it can be sized later without the file, at any quant type: `llmsize catalog add`.
///
/// Where the architecture's templates reproduce the file's tensors, the entry is hyperparameters and
/// features; where they do not, or the architecture is unknown, it lists the tensors as well. `as_of` is a
/// year and month, "2026-09". Errors: usage for an id that is empty or contains anything but letters, digits
/// and "._-".
Result<std::string> model_entry(const Catalog& catalog, const Model& model, const std::string& id,
                                std::string_view as_of);

/// The "tensors" list of such an entry: ["NAME", DIMENSION, …] in ggml order, with a type's name at the end
/// where it is not the usual one (F32 for vectors, F16 for the rest). Errors: malformed, naming the row.
Result<std::vector<Tensor>> read_listed_tensors(const Catalog& catalog, const nlohmann::json& list);

}  // namespace llmsize::catalog
