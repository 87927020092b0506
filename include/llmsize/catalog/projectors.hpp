#pragma once
#include <string_view>

#include "llmsize/catalog/catalog.hpp"
#include "llmsize/core/model.hpp"

namespace llmsize::catalog {

/// The vision projector of a catalog model, as converting it to F16 gives it: the tensors of a mmproj-*.gguf,
/// from data/projectors.json and the templates of its type. Errors: not_found for a model whose projector the
/// catalog does not have; malformed with file, JSON pointer and remedy.
Result<Model> load_projector(const Catalog& catalog, std::string_view model_id);

}  // namespace llmsize::catalog
