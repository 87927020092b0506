#pragma once
#include "llmsize/catalog/architectures.hpp"
#include "llmsize/catalog/catalog.hpp"
#include "llmsize/core/model.hpp"

namespace llmsize::catalog {

/// The model of a catalog entry, with the tensor table that converting its published weights to F16 gives.
/// Errors: malformed with file and JSON pointer; unsupported where the architecture has no tensor templates.
Result<Model> load_model(const Catalog& catalog, const EntryReference& entry);
/// The same for one of many models.
Result<Model> load_model(const Catalog& catalog, const EntryReference& entry,
                         ArchitectureLoader& architectures);

}  // namespace llmsize::catalog
