#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/emit/emitters.hpp"
#include "llmsize/emit/units.hpp"

namespace llmsize::emit {
namespace {

/// One place where a role is served.
struct Endpoint {
  std::string role;
  std::string url;
  std::string comment;
};

std::vector<Endpoint> endpoints_on(const Deployment& deployment, const std::string& host) {
  std::vector<Endpoint> endpoints;
  for (const auto& unit : divided(deployment, {}).units)
    for (const auto& process : unit.processes)
      for (const auto& role : process.roles)
        endpoints.push_back({role, fmt::format("http://{}:{}/v1", host, process.port), process.comment});
  return endpoints;
}

/// By role as the first class has them, then by class and host.
std::vector<Endpoint> endpoints_of(const FleetDeployment& fleet) {
  std::vector<Endpoint> all;
  for (const auto& hosts : fleet.classes) {
    const std::vector<std::string> here = {"127.0.0.1"};
    for (const auto& host : hosts.hosts.empty() ? here : hosts.hosts)
      for (auto& endpoint : endpoints_on(hosts.deployment, host)) {
        auto place = all.end();
        for (auto at = all.begin(); at != all.end(); ++at)
          if (at->role == endpoint.role) place = at + 1;
        all.insert(place, std::move(endpoint));
      }
  }
  return all;
}

}  // namespace

std::vector<EmittedFile> emit_litellm(const FleetDeployment& fleet) {
  std::string text = fmt::format(
      "# {}\n# For litellm --config config.yaml. The servers are those of --emit systemd, compose or "
      "llama-server, where a\n# router answers for WARM models on its own port. They take no key until "
      "they are given one.\n",
      fleet.title);
  const auto endpoints = endpoints_of(fleet);
  text += endpoints.empty() ? "model_list: []\n" : "model_list:\n";
  nlohmann::ordered_json map = nlohmann::ordered_json::object();
  for (const auto& endpoint : endpoints) {
    text += fmt::format(
        "  - model_name: {}  # {}\n    litellm_params:\n      model: {}\n      api_base: {}\n"
        "      api_key: \"none\"\n",
        yaml_quoted(endpoint.role), endpoint.comment, yaml_quoted("openai/" + endpoint.role),
        yaml_quoted(endpoint.url));
    map[endpoint.role].push_back(endpoint.url);
  }
  text += "router_settings:\n  routing_strategy: least-busy\n";
  return {{"config.yaml", text}, {"roles.json", map.dump(2) + "\n"}};
}

}  // namespace llmsize::emit
