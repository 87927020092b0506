#include "llmsize/core/deployment.hpp"

#include <algorithm>
#include <utility>

namespace llmsize {
namespace {

/// A GPU of which only the size is known is taken for the most common kind.
constexpr const char* default_backend = "cuda";
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

PlanOffload offload_of(const PlanVariant& variant, std::int64_t roles) {
  const auto index = static_cast<std::size_t>(std::max<std::int64_t>(roles, 1)) - 1;
  return index < variant.offload_by_roles.size() ? variant.offload_by_roles[index] : PlanOffload{};
}

const std::string& backend_of(const PlanPool& pool) {
  static const std::string most_common = default_backend;
  return pool.backend.empty() ? most_common : pool.backend;
}

/// The numbers of a group's devices on the machine.
std::vector<std::int64_t> device_numbers(const PlanPool& pool, const PlanGroup& group) {
  std::vector<std::int64_t> numbers;
  for (std::int64_t i = 0; i < group.devices; ++i)
    numbers.push_back(pool.first_device + group.first_device + i);
  return numbers;
}

/// Which devices hold what; on a machine without GPUs there is nothing to say.
void add_devices(const PlanReport& report, const PlanInstance& instance, std::int64_t roles,
                 std::vector<EngineSetting>& settings) {
  const bool has_gpus = std::any_of(report.request.pools.begin(), report.request.pools.end(),
                                    [](const PlanPool& pool) { return pool.kind == "gpu"; });
  if (!has_gpus) return;
  const PlanGroup& group = report.plan.groups[instance.group];
  const PlanPool& pool = report.request.pools[group.pool];
  if (pool.kind != "gpu") {
    settings.push_back({"--device", "none"});
    return;
  }
  settings.push_back({"--device", device_names(backend_of(pool), device_numbers(pool, group))});
  settings.push_back({"--split-mode", group.devices > 1 ? "layer" : "none"});
  if (group.devices > 1) {
    std::string split = "1";
    for (std::int64_t i = 1; i < group.devices; ++i) split += ",1";
    settings.push_back({"--tensor-split", split});
  }
  const PlanOffload offload = offload_of(report.request.variants[instance.variant], roles);
  settings.push_back({"--n-cpu-moe", std::to_string(offload.cpu_expert_layers)});
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
      {"--gpu-layers", std::to_string(offload_of(variant, roles).gpu_layers)}};
  return settings;
}

/// The file name of a model's projector by the GGUF naming convention, at F16 as the catalog sizes it.
std::string projector_name(const Server& server) {
  const auto quant = server.file.name.rfind("-" + server.quant);
  return "mmproj-" + server.file.name.substr(0, quant) + "-F16.gguf";
}

/// A projector that -hf brings along would be memory that nobody planned, and from a folder none comes by
/// itself.
void add_projector(const PlanReport& report, const Server& server, const ServingOptions& options,
                   std::vector<EngineSetting>& settings) {
  const bool sees = std::any_of(server.roles.begin(), server.roles.end(), [&](const std::string& id) {
    const PlanRole* role = role_of(report, id);
    return role != nullptr && role->vision;
  });
  if (!sees)
    settings.push_back({"--no-mmproj", ""});
  else if (settings.front().flag == "--hf-repo")
    settings.push_back({"--mmproj-auto", ""});
  else
    settings.push_back({"--mmproj", path_in(options.models_dir, projector_name(server))});
}

void add_processors(const PlanReport& report, Server& server) {
  if (report.threads) server.settings.push_back({"--threads", std::to_string(*report.threads)});
  if (report.numa_nodes <= 1) return;
  server.settings.push_back({"--numa", server.numa_node ? "numactl" : "distribute"});
}

/// Of an instance's memory, what is not in GPUs.
Bytes host_memory(const PlanPool& pool, const PlanInstance& instance) {
  return pool.kind == "gpu" ? instance.on_host : instance.memory;
}

Server server_of(const PlanReport& report, const PlanInstance& instance, const ServingOptions& options) {
  const PlanVariant& variant = report.request.variants[instance.variant];
  Server server;
  server.id = instance.id;
  server.roles = instance.roles;
  server.tier = instance.tier;
  const PlanPool& pool = report.request.pools[variant.pool];
  server.pool = report.plan.groups[instance.group].id;
  server.numa_node = pool.numa_node;
  server.cpus = pool.cpus;
  server.threads = report.threads;
  if (pool.kind == "gpu") {
    server.backend = backend_of(pool);
    server.devices = device_numbers(pool, report.plan.groups[instance.group]);
  }
  server.model = variant.model;
  server.quant = variant.quant;
  server.memory = instance.memory;
  server.host_memory = host_memory(pool, instance);
  if (pool.kind != "gpu") {
    server.mapped_file = variant.shared_file;
    server.mapped = variant.shared_bytes;
  }
  server.load_seconds = variant.load_seconds;
  server.locked = variant.load_mode == LoadMode::mlock;
  if (const auto file = report.files.find(instance.variant); file != report.files.end())
    server.file = file->second;
  server.settings = {model_source(server.file, server.quant, options, "--model", "--hf-repo")};
  const auto memory = memory_settings(report, variant, concurrent_roles(instance));
  server.settings.insert(server.settings.end(), memory.begin(), memory.end());
  add_devices(report, instance, concurrent_roles(instance), server.settings);
  add_projector(report, server, options, server.settings);
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
    const bool together = large.architecture == small.architecture && instance.group == draft.group &&
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
  target.host_memory += host_memory(report.request.pools[small.pool], draft);
  target.settings.push_back(
      model_source(file, small.quant, options, "--spec-draft-model", "--spec-draft-hf"));
  target.settings.push_back({"--spec-draft-type-k", small.cache_type_k});
  target.settings.push_back({"--spec-draft-type-v", small.cache_type_v});
  target.settings.push_back({"--spec-draft-ngl", std::to_string(offload_of(small, 1).gpu_layers)});
}

}  // namespace

std::string device_names(const std::string& backend, const std::vector<std::int64_t>& numbers) {
  constexpr std::pair<const char*, const char*> prefixes[] = {
      {"cuda", "CUDA"}, {"rocm", "ROCm"}, {"vulkan", "Vulkan"}, {"metal", "MTL"}, {"sycl", "SYCL"}};
  std::string prefix = "CUDA";
  for (const auto& [known, name] : prefixes)
    if (backend == known) prefix = name;
  std::string names;
  for (const std::int64_t number : numbers)
    names += (names.empty() ? "" : ",") + prefix + std::to_string(number);
  return names;
}

Deployment deployment_of(const PlanReport& report, const ServingOptions& options) {
  Deployment deployment;
  deployment.title = "llmsize plan for " + on_one_line(report.host);
  deployment.engine = options.engine;
  deployment.models_dir = options.models_dir;
  deployment.listen_address = options.listen_address;
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
