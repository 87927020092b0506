#include "llmsize/catalog/projectors.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/architecture_sections.hpp"
#include "llmsize/catalog/hyperparameters.hpp"
#include "llmsize/core/architecture.hpp"
#include "llmsize/core/tensor_template.hpp"

namespace llmsize::catalog {
namespace {

Result<Architecture> load_type(const Catalog& catalog, const std::string& id) {
  const auto reference = catalog.find("projector_type", id);
  if (!reference)
    return fail(ErrorCode::malformed, fmt::format("the catalogs have no projector_type \"{}\"", id),
                catalog.similar_hint("projector_type", id));
  const auto entry = catalog.parse(*reference);
  if (!entry) return tl::unexpected(entry.error());
  auto tensors = load_tensor_templates(*reference, *entry);
  if (!tensors) return tl::unexpected(tensors.error());
  Architecture type;
  type.id = id;
  type.tensors = *std::move(tensors);
  return type;
}

}  // namespace

Result<Model> load_projector(const Catalog& catalog, std::string_view model_id) {
  const auto reference = catalog.find("projector", model_id);
  if (!reference)
    return fail(ErrorCode::not_found, fmt::format("the catalog has no projector of {}", model_id),
                "Name its mmproj-*.gguf with --mmproj; docs/ADDING.md says how to add one.");
  const auto entry = catalog.parse(*reference);
  if (!entry) return tl::unexpected(entry.error());
  const auto type = load_type(catalog, entry->value("type", std::string()));
  if (!type) return tl::unexpected(error_in(*reference, "/type", type.error()));
  const auto values = read_hyperparameters(entry->value("hyperparameters", nlohmann::json::object()));
  if (!values) return tl::unexpected(error_in(*reference, "/hyperparameters", values.error()));
  auto tensors = expand_tensors(*type, *values);
  if (!tensors) return tl::unexpected(error_in(*reference, "/hyperparameters", tensors.error()));
  Model projector;
  projector.id = std::string(model_id);
  projector.architecture = "clip";
  projector.source = ModelSource::catalog;
  projector.tensors = *std::move(tensors);
  // A file has its keys under the kind of input.
  for (const auto& [key, value] : values->all()) projector.hyperparameters.set("vision." + key, value);
  return projector;
}

}  // namespace llmsize::catalog
