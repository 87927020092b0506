#include <fmt/format.h>

#include "llmsize/emit/emitters.hpp"
#include "llmsize/emit/units.hpp"
#include "llmsize/emit/words.hpp"

namespace llmsize::emit {
namespace {

/// Where the preset files belong.
constexpr const char* preset_folder = "/etc/llmsize/";

/// A word of ExecStart: quoted, with systemd's own specifiers and variables switched off.
std::string unit_word(const std::string& word) {
  std::string quoted;
  bool special = word.empty();
  for (const char c : word) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (c == '%' || c == '$') quoted += c;
    quoted += c;
    special = special || c == ' ' || c == '\'' || c == '"' || c == ';' || c == '\\' || c == '\t';
  }
  return special ? "\"" + quoted + "\"" : quoted;
}

std::string command(const std::string& engine, const std::vector<Words>& options) {
  // systemd wants a path; env finds a bare name.
  std::string text = engine.starts_with('/') ? unit_word(engine) : "/usr/bin/env " + unit_word(engine);
  for (const auto& option : options) {
    text += " \\\n ";
    for (const auto& word : option) text += " " + unit_word(word);
  }
  return text;
}

std::string processors(const Server& server) {
  std::string text;
  if (!server.cpus.empty()) text += fmt::format("CPUAffinity={}\n", fmt::join(server.cpus, " "));
  if (server.numa_node) text += fmt::format("NUMAPolicy=bind\nNUMAMask={}\n", *server.numa_node);
  return text;
}

std::string unit(const std::string& what, const std::string& engine, const std::vector<Words>& options,
                 const std::string& place, Bytes memory, bool locked) {
  return fmt::format(
      "[Unit]\nDescription={}\nAfter=network-online.target\nWants=network-online.target\n\n"
      "[Service]\nExecStart={}\nRestart=on-failure\nDynamicUser=yes\nStateDirectory=llmsize\n"
      "Environment=LLAMA_CACHE=/var/lib/llmsize\n{}LimitMEMLOCK={}\nMemoryMax={}\n\n"
      "[Install]\nWantedBy=multi-user.target\n",
      what, command(engine, options), place, locked ? "infinity" : "8M", memory.value());
}

}  // namespace

std::vector<EmittedFile> emit_systemd(const Deployment& deployment) {
  std::vector<EmittedFile> files;
  for (const Server* server : hot_servers(deployment))
    files.push_back({fmt::format("llmsize-{}.service", server->id),
                     unit("llmsize " + description(*server), deployment.engine,
                          option_words(*server, deployment.listen_address, std::to_string(server->port)),
                          processors(*server), server->host_memory, server->locked)});
  const auto groups = warm_groups(deployment);
  for (std::size_t group = 0; group < groups.size(); ++group) {
    const auto members = warm_servers(deployment, groups[group]);
    const std::string name = preset_name(groups[group]);
    files.push_back({name, preset(deployment, groups[group])});
    files.push_back(
        {"llmsize-" + warm_name(groups[group]) + ".service",
         unit(fmt::format("llmsize WARM models of {}; {} belongs in {}", groups[group], name, preset_folder),
              deployment.engine,
              router_words(preset_folder + name, deployment.listen_address, router_port(deployment, group)),
              processors(*members.front()), peak_host_memory(members) + router_allowance,
              members.front()->locked)});
  }
  return files;
}

}  // namespace llmsize::emit
