#pragma once
#include <string_view>

#include "llmsize/catalog/catalog.hpp"
#include "llmsize/core/quantize.hpp"

namespace llmsize::catalog {

/// The file type that the engine's quantizer would take `name` for: an id in any letter case, an alias
/// ("Q4_K" for Q4_K_M) or the engine's number. Only that entry is parsed. Errors: not_found with the nearest
/// names, malformed with the entry's place.
Result<FileType> load_file_type(const Catalog& catalog, const TypeTable& types, std::string_view name);

/// The id that belongs to a file's general.file_type; empty for an unknown number.
std::string file_type_name(const Catalog& catalog, int number);

}  // namespace llmsize::catalog
