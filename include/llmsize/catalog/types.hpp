#pragma once
#include "llmsize/catalog/catalog.hpp"
#include "llmsize/core/tensor.hpp"

namespace llmsize::catalog {

/// The tensor types of data/tensor_types.json and the user's layers.
/// Errors: malformed, naming the entry's file and JSON pointer.
Result<TypeTable> load_tensor_types(const Catalog& catalog);

}  // namespace llmsize::catalog
