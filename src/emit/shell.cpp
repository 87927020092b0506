#include <fmt/format.h>

#include "llmsize/emit/emitters.hpp"
#include "llmsize/emit/words.hpp"

namespace llmsize::emit {
namespace {

/// A shell function that becomes the server.
std::string function_of(const Deployment& deployment, const Server& server) {
  std::string text = fmt::format("\n# {}\nserve_{}() {{\n  exec", description(server), server.id);
  for (const auto& word : placement_words(server)) text += " " + shell_quoted(word);
  text += " \"$engine\"";
  for (const auto& option : option_words(server, deployment.listen_address, std::to_string(server.port))) {
    text += " \\\n   ";
    for (const auto& word : option) text += " " + shell_quoted(word);
  }
  return text + "\n}\n";
}

/// A server answers to its own name and to that of every role it serves: "front|workers".
std::string names_of(const Server& server) {
  std::string names = server.id;
  for (const auto& role : server.roles)
    if (role != server.id) names += "|" + role;
  return names;
}

}  // namespace

std::vector<EmittedFile> emit_shell(const Deployment& deployment) {
  std::string text = fmt::format(
      "#!/usr/bin/env bash\n# {}\n# Without arguments: starts every HOT server and waits. With a name, its "
      "own or a role's: runs that server.\nset -euo pipefail\nengine=${{LLAMA_SERVER:-{}}}\n",
      deployment.title, shell_quoted(deployment.engine));
  for (const auto& server : deployment.servers) text += function_of(deployment, server);
  text += "\ncase \"${1:-}\" in\n  \"\")\n";
  for (const Server* server : hot_servers(deployment)) text += fmt::format("    serve_{} &\n", server->id);
  text += "    wait\n    ;;\n";
  std::vector<std::string> names;
  for (const auto& server : deployment.servers) {
    names.push_back(names_of(server));
    text += fmt::format("  {}) serve_{} ;;\n", names.back(), server.id);
  }
  text += fmt::format("  *)\n    echo \"usage: $0 [{}", fmt::join(names, "|"));
  text += "]\" >&2\n    exit 2\n    ;;\nesac\n";
  for (const auto& pool : warm_groups(deployment)) {
    text += fmt::format("# Of these only one fits at a time ({}):", pool);
    for (const Server* server : warm_servers(deployment, pool)) text += " " + server->id;
    text += "\n";
  }
  return {{"serve.sh", text, true}};
}

}  // namespace llmsize::emit
