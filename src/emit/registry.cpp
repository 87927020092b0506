#include "llmsize/emit/emitters.hpp"

namespace llmsize::emit {
namespace {

/// A format for one host, for each class of hosts: a single host's files have no folder.
template <std::vector<EmittedFile> (*emit_host)(const Deployment&)>
std::vector<EmittedFile> each_class(const FleetDeployment& fleet) {
  std::vector<EmittedFile> files;
  for (const auto& hosts : fleet.classes)
    for (auto& file : emit_host(hosts.deployment)) {
      if (!hosts.id.empty()) file.name = hosts.id + "/" + file.name;
      files.push_back(std::move(file));
    }
  return files;
}

/// A fleet's own document stands beside the plans of its classes.
std::vector<EmittedFile> emit_fleet_json(const FleetDeployment& fleet) {
  std::vector<EmittedFile> files;
  if (!fleet.document.empty()) files.push_back({"fleet.json", fleet.document});
  for (auto& file : each_class<emit_json>(fleet)) files.push_back(std::move(file));
  return files;
}

}  // namespace

const std::vector<Emitter>& emitters() {
  static const std::vector<Emitter> all = {
      {"json", "the plan itself, llmsize.plan/1", emit_fleet_json},
      {"shell", "a script that starts the servers", each_class<emit_shell>},
      {"llama-swap", "config.yaml for llama-swap", each_class<emit_llama_swap>},
      {"llama-server", "presets for llama-server's router, and a script", each_class<emit_llama_server>},
      {"systemd", "a unit per server", each_class<emit_systemd>},
      {"compose", "containers for docker compose", each_class<emit_compose>},
      {"kubernetes", "objects for kubectl apply, labels, and the probe of every node", emit_kubernetes},
      {"slurm", "a batch script per server", emit_slurm},
      {"litellm", "a gateway's config.yaml, and the URLs of each role", emit_litellm}};
  return all;
}

std::string joined(const std::vector<EmittedFile>& files) {
  if (files.size() == 1) return files.front().content;
  std::string text;
  for (const auto& file : files) text += "# --- " + file.name + "\n" + file.content;
  return text;
}

}  // namespace llmsize::emit
