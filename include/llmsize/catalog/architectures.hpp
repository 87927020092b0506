#pragma once
#include <string_view>

#include "llmsize/catalog/catalog.hpp"
#include "llmsize/core/architecture.hpp"

namespace llmsize::catalog {

/// The architecture that GGUF files name `id` in general.architecture.
/// Errors: not_found for one the catalog does not have; malformed with file, JSON pointer and remedy.
Result<Architecture> load_architecture(const Catalog& catalog, std::string_view id);

}  // namespace llmsize::catalog
