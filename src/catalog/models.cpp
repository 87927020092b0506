#include "llmsize/catalog/models.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/architectures.hpp"

namespace llmsize::catalog {

Result<Model> load_model(const Catalog& catalog, const EntryReference& entry) {
  const auto document = catalog.parse(entry);
  if (!document) return tl::unexpected(document.error());
  Model model;
  model.id = std::string(entry.id);
  model.name = document->value("name", model.id);
  model.architecture = document->value("architecture", "");
  const auto architecture = load_architecture(catalog, model.architecture);
  if (!architecture) return tl::unexpected(architecture.error());
  auto tensors = expand_tensors(*architecture, model.hyperparameters);
  if (!tensors) return tl::unexpected(tensors.error());
  model.tensors = *std::move(tensors);
  return model;
}

}  // namespace llmsize::catalog
