#include "llmsize/core/deployment.hpp"

#include <algorithm>

namespace llmsize {
namespace {

constexpr std::int64_t bytes_per_mebibyte = 1024 * 1024;

const char* load_mode_word(LoadMode mode) {
  constexpr const char* words[] = {"mmap", "none", "mlock"};
  return words[static_cast<int>(mode)];
}

const PlanRole* role_of(const PlanReport& report, const std::string& id) {
  for (const auto& role : report.request.roles)
    if (role.id == id) return &role;
  return nullptr;
}

std::string path_in(const std::string& folder, const std::string& name) {
  return folder.empty() || folder.ends_with('/') ? folder + name : folder + "/" + name;
}

/// Where the engine gets the weights: a file, or a repository that it downloads from.
EngineSetting model_source(const ModelFile& file, const std::string& quant, const ServingOptions& options,
                           const char* path_flag, const char* repository_flag) {
  if (options.models_dir.empty() && !file.repository.empty())
    return {repository_flag, file.repository + ":" + quant};
  return {path_flag, path_in(options.models_dir, file.name)};
}

/// A host's name comes from outside, and a line break in it would end the comment that holds it.
std::string on_one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return text;
}

/// Roles that an instance runs at the same time, and so how many contexts it has.
std::int64_t concurrent_roles(const PlanInstance& instance) {
  return instance.tier == PlanTier::hot ? static_cast<std::int64_t>(instance.roles.size()) : 1;
}

/// Every option that decides memory, also where it is the engine's default: defaults change between versions.
std::vector<EngineSetting> memory_settings(const PlanReport& report, const PlanVariant& variant,
                                           std::int64_t roles) {
  const Residency& residency = report.residency;
  std::vector<EngineSetting> settings = {
      {"--ctx-size", std::to_string(variant.context_tokens * roles)},
      {"--parallel", std::to_string(variant.parallel * roles)},
      {"--kv-unified", ""},
      {"--batch-size", std::to_string(variant.batch_tokens)},
      {"--ubatch-size", std::to_string(variant.ubatch_tokens)},
      {"--cache-type-k", variant.cache_type_k},
      {"--cache-type-v", variant.cache_type_v},
      {"--flash-attn", variant.flash_attention ? "on" : "off"},
      {"--cache-ram", std::to_string(residency.prompt_cache_cap.value() / bytes_per_mebibyte)},
      // Checkpoints of windows and states are not in the plan's bytes.
      {"--ctx-checkpoints", "0"},
      {"--load-mode", load_mode_word(variant.load_mode)},
      {residency.repack ? "--repack" : "--no-repack", ""},
      // The engine would shrink what is not set to fit the machine it finds.
      {"--fit", "off"},
      {"--gpu-layers", std::to_string(variant.gpu_layers)}};
  for (const auto& setting : variant.placement) settings.push_back(setting);
  return settings;
}

/// A projector that -hf brings along would be memory that nobody planned.
void add_projector(const PlanReport& report, const Server& server, std::vector<EngineSetting>& settings) {
  const bool sees = std::any_of(server.roles.begin(), server.roles.end(), [&](const std::string& id) {
    const PlanRole* role = role_of(report, id);
    return role != nullptr && role->vision;
  });
  settings.push_back({sees ? "--mmproj-auto" : "--no-mmproj", ""});
}

void add_processors(const PlanReport& report, Server& server) {
  if (report.threads) server.settings.push_back({"--threads", std::to_string(*report.threads)});
  if (report.numa_nodes <= 1) return;
  server.settings.push_back({"--numa", server.numa_node ? "numactl" : "distribute"});
}

Server server_of(const PlanReport& report, const PlanInstance& instance, const ServingOptions& options) {
  const PlanVariant& variant = report.request.variants[instance.variant];
  Server server;
  server.id = instance.id;
  server.roles = instance.roles;
  server.tier = instance.tier;
  server.pool = report.request.pools[variant.pool].id;
  server.numa_node = report.request.pools[variant.pool].numa_node;
  server.cpus = report.request.pools[variant.pool].cpus;
  server.model = variant.model;
  server.quant = variant.quant;
  server.memory = instance.memory;
  server.load_seconds = variant.load_seconds;
  server.locked = variant.load_mode == LoadMode::mlock;
  if (const auto file = report.files.find(instance.variant); file != report.files.end())
    server.file = file->second;
  server.settings = {model_source(server.file, server.quant, options, "--model", "--hf-repo")};
  const auto memory = memory_settings(report, variant, concurrent_roles(instance));
  server.settings.insert(server.settings.end(), memory.begin(), memory.end());
  add_projector(report, server, server.settings);
  add_processors(report, server);
  return server;
}

/// The server that `draft` can run inside of; null where it has to serve alone.
Server* target_of(const PlanReport& report, const PlanInstance& draft, std::vector<Server>& servers) {
  if (draft.roles.size() != 1) return nullptr;
  const PlanRole* role = role_of(report, draft.roles.front());
  if (role == nullptr || role->draft_for.empty()) return nullptr;
  const PlanVariant& small = report.request.variants[draft.variant];
  for (const auto& instance : report.plan.instances) {
    const auto& roles = instance.roles;
    if (std::find(roles.begin(), roles.end(), role->draft_for) == roles.end()) continue;
    const PlanVariant& large = report.request.variants[instance.variant];
    const bool together = large.architecture == small.architecture && large.pool == small.pool &&
                          instance.tier == draft.tier &&
                          large.context_tokens * concurrent_roles(instance) == small.context_tokens;
    for (auto& server : servers)
      if (together && server.id == instance.id && server.draft.empty()) return &server;
  }
  return nullptr;
}

void join(const PlanReport& report, const PlanInstance& draft, const ServingOptions& options,
          Server& target) {
  const PlanVariant& small = report.request.variants[draft.variant];
  ModelFile file;
  if (const auto found = report.files.find(draft.variant); found != report.files.end()) file = found->second;
  target.draft = draft.id;
  target.memory += draft.memory;
  target.settings.push_back(
      model_source(file, small.quant, options, "--spec-draft-model", "--spec-draft-hf"));
  target.settings.push_back({"--spec-draft-type-k", small.cache_type_k});
  target.settings.push_back({"--spec-draft-type-v", small.cache_type_v});
  target.settings.push_back({"--spec-draft-ngl", std::to_string(small.gpu_layers)});
}

}  // namespace

Deployment deployment_of(const PlanReport& report, const ServingOptions& options) {
  Deployment deployment;
  deployment.title = "llmsize plan for " + on_one_line(report.host);
  deployment.engine = options.engine;
  deployment.first_port = options.first_port;
  std::vector<const PlanInstance*> drafts;
  for (const auto& instance : report.plan.instances) {
    const PlanRole* role = role_of(report, instance.id);
    if (role != nullptr && !role->draft_for.empty())
      drafts.push_back(&instance);
    else
      deployment.servers.push_back(server_of(report, instance, options));
  }
  for (const PlanInstance* draft : drafts) {
    if (Server* target = target_of(report, *draft, deployment.servers))
      join(report, *draft, options, *target);
    else
      deployment.servers.push_back(server_of(report, *draft, options));
  }
  std::int64_t port = options.first_port;
  for (auto& server : deployment.servers) server.port = port++;
  return deployment;
}

}  // namespace llmsize
