#include "llmsize/catalog/model_names.hpp"

#include <fmt/format.h>

namespace llmsize::catalog {

Result<NamedModel> find_model(const Catalog& catalog, std::string_view name) {
  if (auto entry = catalog.find_by_name("model", name)) return NamedModel{*std::move(entry), std::nullopt};
  const auto near = catalog.similar("model", name);
  return fail(ErrorCode::not_found, fmt::format("no model named \"{}\" in the catalog", name),
              near.empty() ? "llmsize catalog list model shows all."
                           : fmt::format("Did you mean {}?", fmt::join(near, ", ")));
}

}  // namespace llmsize::catalog
