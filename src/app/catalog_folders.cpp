#include "llmsize/app/catalog_folders.hpp"

#include <algorithm>

namespace llmsize::app {

std::vector<std::string> user_catalog_folders(const Environment& environment) {
  constexpr const char* below = "/llmsize/catalog.d";
  const auto set_or = [&](const char* name, const std::string& otherwise) {
    const auto value = environment.variable(name);
    return value && !value->empty() ? *value : otherwise;
  };
  std::vector<std::string> folders;
  std::string list = set_or("XDG_DATA_DIRS", "/usr/local/share:/usr/share");
  while (!list.empty()) {
    const std::size_t colon = list.find(':');
    const std::string folder = list.substr(0, colon);
    if (folder.starts_with('/')) folders.push_back(folder + below);
    list.erase(0, colon == std::string::npos ? colon : colon + 1);
  }
  // The specification lists the most important folder first; a later layer wins here.
  std::reverse(folders.begin(), folders.end());
  const std::string config = set_or("XDG_CONFIG_HOME", set_or("HOME", "") + "/.config");
  if (config.starts_with('/')) folders.push_back(config + below);
  return folders;
}

}  // namespace llmsize::app
