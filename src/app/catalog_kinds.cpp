#include "llmsize/app/catalog_kinds.hpp"

#include <nlohmann/json.hpp>

#include "llmsize/catalog/types.hpp"

namespace llmsize::app {
namespace {

/// For kinds whose entries only need to be objects: their readers say more when they use them.
Result<void> is_object(const Services& services, const catalog::EntryReference& entry) {
  const auto value = services.catalog.parse(entry);
  if (!value) return tl::unexpected(value.error());
  return {};
}

}  // namespace

const std::vector<CatalogKind>& catalog_kinds() {
  static const std::vector<CatalogKind> kinds = {
      {"model", "open-weight models: hyperparameters with their sources", is_object},
      {"architecture", "tensor templates, caches and graphs by architecture", is_object},
      {"file_type", "what the quantizer can produce: the type of each tensor", is_object},
      {"vocabulary", "what a vocabulary takes in a file's header, by its size", is_object},
      {"tensor_type", "block layouts of tensor types", is_object},
  };
  return kinds;
}

}  // namespace llmsize::app
