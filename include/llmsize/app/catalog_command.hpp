#pragma once
#include <string>
#include <vector>

#include "llmsize/app/outcome.hpp"
#include "llmsize/app/services.hpp"
#include "llmsize/core/result.hpp"

namespace llmsize::app {

struct CatalogOptions {
  std::vector<std::string> words;  ///< "list KIND", "show [KIND] ID", "validate", "add MODEL".
  std::string family;              ///< list: only models of this family, by its "family" value.
  std::string architecture;        ///< list: only models of this architecture.
  std::string match;               ///< list: only ids that contain this text.
  std::string id;                  ///< add: the entry's id; empty: from the model's name.
  std::string as_of;               ///< add: year and month of today, "2026-09".
  bool json = false;
};

/// `llmsize catalog …`: what is in the catalogs, which layer won, and what is wrong with them.
Result<Outcome> run_catalog(const Services& services, const CatalogOptions& options);

}  // namespace llmsize::app
