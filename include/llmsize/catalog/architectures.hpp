#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "llmsize/catalog/catalog.hpp"
#include "llmsize/core/architecture.hpp"

namespace llmsize::catalog {

/// The architecture that GGUF files name `id` in general.architecture.
/// Errors: not_found for one the catalog does not have; malformed with file, JSON pointer and remedy.
Result<Architecture> load_architecture(const Catalog& catalog, std::string_view id);

/// Loads every architecture once, for many models of few architectures. The catalog must outlive it.
class ArchitectureLoader {
 public:
  explicit ArchitectureLoader(const Catalog& catalog) : catalog_(catalog) {}
  /// As `load_architecture`; the answer lives as long as the loader.
  const Result<Architecture>& load(const std::string& id);

 private:
  const Catalog& catalog_;
  std::map<std::string, Result<Architecture>> loaded_;
};

/// The table of config.json keys that all architectures share (data/config_keys.json).
Result<ConfigRule> load_config_keys(const Catalog& catalog);

/// The architecture that a config.json's class name ("Qwen3ForCausalLM") belongs to.
/// Errors: unsupported where no architecture of the catalog lists it.
Result<Architecture> load_architecture_of_class(const Catalog& catalog,
                                                const std::vector<std::string>& class_names);

}  // namespace llmsize::catalog
