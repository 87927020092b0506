#pragma once
#include "llmsize/ports/command_runner.hpp"
#include "llmsize/ports/environment.hpp"

namespace llmsize::io {

/// This process's environment variables.
class ProcessEnvironment final : public Environment {
 public:
  [[nodiscard]] std::optional<std::string> variable(const std::string& name) const override;
};

/// Folders of user catalogs, the weakest first: each of $XDG_DATA_DIRS, then $XDG_CONFIG_HOME, with
/// "llmsize/catalog.d" below; the XDG defaults where unset. Relative paths are ignored, as that specification
/// asks.
std::vector<std::string> user_catalog_folders(const Environment& environment);

}  // namespace llmsize::io
