#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "llmsize/emit/emitters.hpp"
#include "llmsize/emit/words.hpp"

namespace llmsize::emit {
namespace {

/// Seconds without a request after which a WARM model makes room; ours.
constexpr int warm_seconds_to_live = 600;
/// llama-swap gives up on a server that is not ready after this long; large models take minutes to load.
constexpr int least_health_check_seconds = 600;
/// llama-swap alone talks to its servers.
constexpr const char* swapped_address = "127.0.0.1";
/// Losing a HOT model costs more than any WARM one; llama-swap compares sums.
constexpr std::int64_t hot_eviction_cost = 100'000;

std::string model_entry(const Server& server) {
  std::string text = fmt::format("  # {}\n  {}:\n    cmd: |\n", description(server), yaml_quoted(server.id));
  const auto place = placement_words(server);
  std::string line;
  for (const auto& word : place) line += shell_quoted(word) + " ";
  text += fmt::format("      {}${{engine}}\n", line);
  for (const auto& option : option_words(server, swapped_address, "${PORT}")) {
    text += "     ";
    // The port's macro must stay as it is.
    for (const auto& word : option) text += " " + (word == "${PORT}" ? word : shell_quoted(word));
    text += "\n";
  }
  text += "    proxy: http://127.0.0.1:${PORT}\n    checkEndpoint: /health\n";
  if (server.roles.size() > 1) {
    text += "    aliases:\n";
    for (const auto& role : server.roles)
      if (role != server.id) text += fmt::format("      - {}\n", yaml_quoted(role));
  }
  return text + fmt::format("    ttl: {}\n", server.tier == PlanTier::hot ? 0 : warm_seconds_to_live);
}

std::int64_t eviction_cost(const Server& server) {
  if (server.tier == PlanTier::hot) return hot_eviction_cost;
  return 1 + std::llround(server.load_seconds.value_or(0));
}

/// Names of at most eight letters for the matrix: h1, h2, … and w1, w2, …
std::map<std::string, std::string> short_names(const Deployment& deployment) {
  std::map<std::string, std::string> names;
  int hot = 0, warm = 0;
  for (const auto& server : deployment.servers)
    names[server.id] = server.tier == PlanTier::hot ? fmt::format("h{}", ++hot) : fmt::format("w{}", ++warm);
  return names;
}

/// HOT models all together, with one of each WARM group.
std::string concurrent_set(const Deployment& deployment, const std::map<std::string, std::string>& names) {
  std::vector<std::string> terms;
  for (const Server* server : hot_servers(deployment)) terms.push_back(names.at(server->id));
  for (const auto& pool : warm_groups(deployment)) {
    std::vector<std::string> choices;
    for (const Server* server : warm_servers(deployment, pool)) choices.push_back(names.at(server->id));
    const std::string any = fmt::format("{}", fmt::join(choices, " | "));
    terms.push_back(choices.size() > 1 ? "(" + any + ")" : any);
  }
  return fmt::format("{}", fmt::join(terms, " & "));
}

std::string matrix(const Deployment& deployment) {
  const auto names = short_names(deployment);
  std::string text = "\nmatrix:\n  vars:\n";
  for (const auto& server : deployment.servers)
    text += fmt::format("    {}: {}\n", names.at(server.id), yaml_quoted(server.id));
  text += "  evict_costs:\n";
  for (const auto& server : deployment.servers)
    text += fmt::format("    {}: {}\n", names.at(server.id), eviction_cost(server));
  return text + fmt::format("  sets:\n    plan: {}\n", yaml_quoted(concurrent_set(deployment, names)));
}

}  // namespace

std::vector<EmittedFile> emit_llama_swap(const Deployment& deployment) {
  double slowest = 0;
  for (const auto& server : deployment.servers) slowest = std::max(slowest, server.load_seconds.value_or(0));
  std::string text = fmt::format(
      "# {}\nhealthCheckTimeout: {}\nstartPort: {}\nmacros:\n  engine: {}\n\nmodels:{}\n", deployment.title,
      std::max<std::int64_t>(least_health_check_seconds, 2 * std::llround(slowest)), deployment.first_port,
      yaml_quoted(shell_quoted(deployment.engine)), deployment.servers.empty() ? " {}" : "");
  for (const auto& server : deployment.servers) text += model_entry(server);
  if (!deployment.servers.empty()) text += matrix(deployment);
  const auto hot = hot_servers(deployment);
  if (!hot.empty()) text += "\nhooks:\n  on_startup:\n    preload:\n";
  for (const Server* server : hot) text += fmt::format("      - {}\n", yaml_quoted(server->id));
  return {{"config.yaml", text}};
}

}  // namespace llmsize::emit
