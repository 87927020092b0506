#pragma once
#include <functional>
#include <string>
#include <vector>

#include "llmsize/app/services.hpp"
#include "llmsize/core/result.hpp"

namespace llmsize::app {

/// A kind of catalog entry: its word in files and on the command line, and how an entry is checked.
struct CatalogKind {
  std::string name;
  std::string about;
  std::function<Result<void>(const Services&, const catalog::EntryReference&)> check;
};

/// Every kind, in the order in which `catalog list` shows them. Adding a kind is adding a row here.
const std::vector<CatalogKind>& catalog_kinds();

}  // namespace llmsize::app
