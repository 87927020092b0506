#pragma once
#include "llmsize/catalog/catalog.hpp"
#include "llmsize/core/footprint.hpp"
#include "llmsize/core/model.hpp"

namespace llmsize::catalog {

/// What precedes the tensor data in a model's GGUF file. The file's own word where there is one; where the
/// file was quantized since, with room for the keys that the quantizer adds. Else the tensor table and an
/// estimate of the vocabulary from data/vocabularies.json: by architecture and vocabulary size, by vocabulary
/// size, or over all published files. Errors: malformed, naming the entry.
Result<SizedPart> header_size(const Catalog& catalog, const Model& model);

/// The whole file: header_size and each tensor padded to the file's alignment.
Result<SizedPart> file_size(const Catalog& catalog, const Model& model);

}  // namespace llmsize::catalog
