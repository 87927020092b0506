#include <fmt/format.h>

#include "llmsize/emit/emitters.hpp"
#include "llmsize/emit/words.hpp"

namespace llmsize::emit {
namespace {

std::string started(const std::string& comment, const Words& place, const std::vector<Words>& options) {
  std::string text = "\n# " + comment + "\n";
  for (const auto& word : place) text += shell_quoted(word) + " ";
  text += "\"$engine\"";
  for (const auto& option : options) {
    text += " \\\n ";
    for (const auto& word : option)
      // The preset lies beside the script.
      text += " " + (is_preset(option, word) ? "\"$here\"/" + word : shell_quoted(word));
  }
  return text + " &\n";
}

}  // namespace

std::vector<EmittedFile> emit_llama_server(const Deployment& deployment) {
  std::string script = fmt::format(
      "#!/usr/bin/env bash\n# {}\n# HOT models have servers of their own, because the router evicts by "
      "count; "
      "each group of WARM ones has a router that\n# keeps one loaded.\nset -euo pipefail\n"
      "engine=${{LLAMA_SERVER:-{}}}\n",
      deployment.title, shell_quoted(deployment.engine));
  const auto groups = warm_groups(deployment);
  if (!groups.empty()) script += "here=$(cd \"$(dirname \"$0\")\" && pwd)\n";
  for (const Server* server : hot_servers(deployment))
    script += started(description(*server), placement_words(*server),
                      option_words(*server, deployment.listen_address, std::to_string(server->port)));
  std::vector<EmittedFile> presets;
  for (std::size_t group = 0; group < groups.size(); ++group) {
    const auto members = warm_servers(deployment, groups[group]);
    const std::string name = preset_name(groups[group]);
    script +=
        started(fmt::format("WARM, one at a time ({})", groups[group]), placement_words(*members.front()),
                router_words(name, deployment.listen_address, router_port(deployment, group)));
    presets.push_back({name, preset(deployment, groups[group])});
  }
  script += "\nwait\n";
  std::vector<EmittedFile> files = {{"serve.sh", script, true}};
  files.insert(files.end(), presets.begin(), presets.end());
  return files;
}

}  // namespace llmsize::emit
