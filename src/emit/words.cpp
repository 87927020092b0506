#include "llmsize/emit/words.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "llmsize/core/text.hpp"

namespace llmsize::emit {
namespace {

constexpr const char* preset_option = "--models-preset";

Words words_of(const EngineSetting& setting) {
  if (setting.value.empty()) return {setting.flag};
  return {setting.flag, setting.value};
}

/// A preset's key is the option's name without dashes; switches are true.
std::string preset_line(const EngineSetting& setting) {
  return fmt::format("{} = {}\n", setting.flag.substr(2), setting.value.empty() ? "true" : setting.value);
}

}  // namespace

std::vector<Words> option_words(const Server& server, const std::string& address, const std::string& port) {
  std::vector<Words> options;
  for (const auto& setting : server.settings) options.push_back(words_of(setting));
  options.push_back({"--alias", fmt::format("{}", fmt::join(server.roles, ","))});
  options.push_back({"--host", address});
  options.push_back({"--port", port});
  return options;
}

Words placement_words(const Server& server) {
  if (server.numa_node)
    return {"numactl", fmt::format("--cpunodebind={}", *server.numa_node),
            fmt::format("--membind={}", *server.numa_node)};
  return {};
}

std::string shell_quoted(const std::string& word) {
  constexpr const char* plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,=+@%";
  if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string yaml_quoted(const std::string& word) {
  std::string quoted = "\"";
  for (const char c : word) {
    if (c == '"' || c == '\\') quoted += '\\';
    // Control characters are no YAML.
    if (static_cast<unsigned char>(c) < ' ')
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      quoted += c;
  }
  return quoted + "\"";
}

std::string description(const Server& server) {
  std::string text = fmt::format("{} {}, {} of memory", server.model, server.quant, size_text(server.memory));
  if (!server.file.name.empty())
    text += fmt::format("; {}, {} bytes", server.file.name, server.file.size.value());
  if (!server.draft.empty()) text += fmt::format("; with {} inside", server.draft);
  return text;
}

std::vector<std::string> warm_groups(const Deployment& deployment) {
  std::vector<std::string> pools;
  for (const auto& server : deployment.servers)
    if (server.tier != PlanTier::hot && std::find(pools.begin(), pools.end(), server.pool) == pools.end())
      pools.push_back(server.pool);
  return pools;
}

std::vector<const Server*> warm_servers(const Deployment& deployment, const std::string& pool) {
  std::vector<const Server*> servers;
  for (const auto& server : deployment.servers)
    if (server.tier != PlanTier::hot && server.pool == pool) servers.push_back(&server);
  return servers;
}

std::vector<const Server*> hot_servers(const Deployment& deployment) {
  std::vector<const Server*> servers;
  for (const auto& server : deployment.servers)
    if (server.tier == PlanTier::hot) servers.push_back(&server);
  return servers;
}

std::string warm_name(const std::string& pool) {
  std::string name = "warm-" + pool;
  std::replace(name.begin(), name.end(), '+', '-');
  return name;
}

std::string preset_name(const std::string& pool) {
  return warm_name(pool) + ".ini";
}

std::string preset(const Deployment& deployment, const std::string& pool) {
  std::string text = "# " + deployment.title + "\n# One of these runs at a time: start the router with " +
                     "--models-max 1, which presets cannot set.\nversion = 1\n";
  for (const Server* server : warm_servers(deployment, pool))
    // The router takes names from sections, so each role has its own.
    for (const auto& role : server->roles) {
      text += fmt::format("\n# {}\n[{}]\n", description(*server), role);
      for (const auto& setting : server->settings) text += preset_line(setting);
      text += "load-on-startup = false\n";
    }
  return text;
}

std::vector<Words> router_words(const std::string& preset_path, const std::string& address,
                                std::int64_t port) {
  return {{preset_option, preset_path},
          {"--models-max", "1"},
          {"--models-autoload"},
          {"--host", address},
          {"--port", std::to_string(port)}};
}

bool is_preset(const Words& option, const std::string& word) {
  return option.front() == preset_option && word != preset_option;
}

std::int64_t router_port(const Deployment& deployment, std::size_t group) {
  return deployment.first_port + static_cast<std::int64_t>(deployment.servers.size() + group);
}

Bytes peak_host_memory(const std::vector<const Server*>& servers) {
  Bytes peak;
  for (const Server* server : servers) peak = std::max(peak, server->host_memory);
  return peak;
}

}  // namespace llmsize::emit
