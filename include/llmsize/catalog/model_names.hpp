#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "llmsize/catalog/catalog.hpp"

namespace llmsize::catalog {

/// A model named by a user, and the file type that the name itself asks for
/// ("qwen2.5-coder:14b-instruct-q4_K_M" implies Q4_K_M).
struct NamedModel {
  EntryReference entry;
  std::optional<std::string> file_type;  ///< Id of a "file_type" entry, as written there.
};

/// Finds a model by id, alias, repository name or Ollama tag, with or without a quantization suffix.
/// Errors: not_found, with the nearest ids as a hint.
Result<NamedModel> find_model(const Catalog& catalog, std::string_view name);

}  // namespace llmsize::catalog
