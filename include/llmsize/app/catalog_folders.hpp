#pragma once
#include <string>
#include <vector>

#include "llmsize/ports/environment.hpp"

namespace llmsize::app {

/// Folders of user catalogs, the weakest first: each of $XDG_DATA_DIRS, then $XDG_CONFIG_HOME, with
/// "llmsize/catalog.d" below; the XDG defaults where unset. Relative paths are ignored, as that specification
/// asks. The last is the user's own, where `catalog add` writes.
std::vector<std::string> user_catalog_folders(const Environment& environment);

}  // namespace llmsize::app
