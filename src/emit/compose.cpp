#include <fmt/format.h>

#include "llmsize/emit/container.hpp"
#include "llmsize/emit/emitters.hpp"
#include "llmsize/emit/units.hpp"

namespace llmsize::emit {
namespace {

/// Compose replaces variables in every value.
std::string compose_value(const std::string& word) {
  std::string text;
  for (const char c : word) text += c == '$' ? std::string("$$") : std::string(1, c);
  return yaml_quoted(text);
}

std::string gpus(const Unit& unit) {
  if (unit.devices.empty()) return "";
  if (unit.backend == "cuda") {
    std::string numbers;
    for (const std::int64_t device : unit.devices)
      numbers += fmt::format("{}\"{}\"", numbers.empty() ? "" : ", ", device);
    return fmt::format(
        "    deploy:\n      resources:\n        reservations:\n          devices:\n"
        "            - driver: nvidia\n              device_ids: [{}]\n              capabilities: [gpu]\n",
        numbers);
  }
  if (unit.backend == "metal") return "    # Containers do not reach this machine's GPU.\n";
  return fmt::format("    devices:\n{}      - /dev/dri:/dev/dri\n",
                     unit.backend == "rocm" ? "      - /dev/kfd:/dev/kfd\n" : "");
}

std::string volumes(const Deployment& deployment, const Unit& unit) {
  std::string text = "    volumes:\n";
  const auto bind = [&text](const std::string& source, const std::string& target) {
    text +=
        fmt::format("      - type: bind\n        source: {}\n        target: {}\n        read_only: true\n",
                    compose_value(source), target);
  };
  if (!deployment.models_dir.empty())
    bind(deployment.models_dir, models_mount);
  else
    text += fmt::format("      - llmsize-cache:{}\n", cache_mount);
  for (const auto& pool : unit.warm_pools) bind("./" + preset_name(pool), preset_mount + preset_name(pool));
  return text;
}

std::string limits(const Unit& unit) {
  const auto memory = (unit.host_memory + container_overhead(unit.host_memory)).value();
  // The same number twice: no swap.
  std::string text = fmt::format("    mem_limit: {0}\n    memswap_limit: {0}\n", memory);
  if (unit.locked) text += "    ulimits:\n      memlock:\n        soft: -1\n        hard: -1\n";
  if (!unit.cpus.empty()) text += fmt::format("    cpuset: \"{}\"\n", fmt::join(unit.cpus, ","));
  return text;
}

std::string health(const Deployment& deployment, const Process& process) {
  return fmt::format(
      "    healthcheck:\n      test: [\"CMD\", \"curl\", \"-f\", \"http://127.0.0.1:{}/health\"]\n"
      "      interval: 10s\n      timeout: 5s\n      retries: 3\n      start_period: {}s\n",
      process.port, start_seconds(deployment, process.load_seconds));
}

std::string service(const Deployment& deployment, const std::string& address, const Unit& unit) {
  const Process& process = unit.processes.front();
  std::string text = fmt::format("  # {}\n  {}:\n    image: {}\n    command:\n", process.comment, unit.id,
                                 image_with(unit.backend));
  for (const auto& option : process.options)
    for (const auto& word : option) text += fmt::format("      - {}\n", compose_value(word));
  text += fmt::format("    environment:\n      LLAMA_CACHE: {}\n    ports:\n      - \"{}:{}:{}\"\n",
                      cache_mount, address, process.port, process.port);
  return text + volumes(deployment, unit) + limits(unit) + gpus(unit) + health(deployment, process) +
         "    restart: unless-stopped\n";
}

}  // namespace

std::vector<EmittedFile> emit_compose(const Deployment& deployment) {
  // Docker numbers the NVIDIA GPUs of a container from 0; of others a container sees all.
  UnitRules rules;
  rules.preset_folder = preset_mount;
  Deployment inside = in_container(deployment);
  for (auto& server : inside.servers)
    if (server.backend == "cuda") rules.renumbers_gpus = true;
  const Division division = divided(std::move(inside), rules);
  std::string text = fmt::format(
      "# {}\n# Start with docker compose up -d. Memory limits are the plan's, and {} for the container.\n"
      "services:{}\n",
      deployment.title, "page tables and 64 MiB", division.units.empty() ? " {}" : "");
  std::vector<EmittedFile> presets;
  for (const auto& unit : division.units) {
    text += service(division.deployment, deployment.listen_address, unit);
    for (const auto& pool : unit.warm_pools)
      presets.push_back({preset_name(pool), preset(division.deployment, pool)});
  }
  if (deployment.models_dir.empty() && !division.units.empty()) text += "volumes:\n  llmsize-cache:\n";
  std::vector<EmittedFile> files = {{"compose.yaml", text}};
  files.insert(files.end(), presets.begin(), presets.end());
  return files;
}

}  // namespace llmsize::emit
