#include "llmsize/emit/kubernetes.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "llmsize/emit/container.hpp"
#include "llmsize/emit/units.hpp"
#include "llmsize/emit/yaml.hpp"

namespace llmsize::emit {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* server_label = "llmsize.dev/server";
constexpr const char* service_port = "http";

/// One class with its servers as containers see them.
struct Cluster {
  const HostClass& hosts;
  bool pin_hosts;
  Division division;
};

std::string named(const Cluster& cluster, const std::string& what) {
  return cluster.hosts.id.empty() ? object_name({"llmsize", what})
                                  : object_name({"llmsize", what, cluster.hosts.id});
}

/// Kubernetes replaces $(NAME) in command lines; a doubled dollar stands for itself.
std::string argument(const std::string& word) {
  std::string text;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (word[i] == '$' && i + 1 < word.size() && (word[i + 1] == '(' || word[i + 1] == '$')) text += '$';
    text += word[i];
  }
  return text;
}

Json labels(const Cluster& cluster, const Unit& unit) {
  return {{"app.kubernetes.io/name", "llmsize"},
          {class_label, class_value(cluster.hosts)},
          {server_label, object_name({unit.id})}};
}

/// What device plugins call a GPU of the backend. Vulkan runs on any: AMD's is a guess.
std::string gpu_resource(const std::string& backend) {
  if (backend == "cuda") return "nvidia.com/gpu";
  return backend == "sycl" ? "gpu.intel.com/i915" : "amd.com/gpu";
}

/// The same as request and as limit: the pod is Guaranteed, and with whole processors the kubelet's static
/// managers can pin both.
Json resources(const Unit& unit) {
  Json amounts = {
      {"cpu", std::to_string(unit.threads.value_or(1))},
      {"memory", std::to_string((unit.host_memory + container_overhead(unit.host_memory)).value())}};
  if (!unit.devices.empty()) amounts[gpu_resource(unit.backend)] = std::to_string(unit.devices.size());
  return {{"requests", amounts}, {"limits", amounts}};
}

/// Several processes in one container, because it alone has what they share: one that ends takes the others
/// along.
std::string joint_command(const Unit& unit) {
  std::string text = "trap 'kill $(jobs -p) 2>/dev/null' EXIT TERM\n";
  for (const auto& process : unit.processes) {
    text += "/app/llama-server";
    for (const auto& option : process.options)
      for (const auto& word : option) text += " " + shell_quoted(word);
    text += " &\n";
  }
  return text + "wait -n\n";
}

Json health_check(const Unit& unit) {
  if (unit.processes.size() == 1)
    return {{"httpGet", {{"path", "/health"}, {"port", unit.processes.front().port}}}};
  std::string text = "curl -fsS --fail-early";
  for (const auto& process : unit.processes) text += fmt::format(" http://127.0.0.1:{}/health", process.port);
  return {{"exec", {{"command", {"/bin/bash", "-c", text}}}}};
}

void add_checks(const Deployment& deployment, const Unit& unit, Json& container) {
  constexpr std::int64_t period = 10;
  double slowest = 0;
  for (const auto& process : unit.processes) slowest = std::max(slowest, process.load_seconds);
  Json startup = health_check(unit), readiness = startup;
  startup["periodSeconds"] = period;
  startup["timeoutSeconds"] = period / 2;
  startup["failureThreshold"] = (start_seconds(deployment, slowest) + period - 1) / period;
  readiness["periodSeconds"] = period;
  readiness["timeoutSeconds"] = period / 2;
  container["startupProbe"] = std::move(startup);
  container["readinessProbe"] = std::move(readiness);
}

Json container_of(const Cluster& cluster, const Unit& unit) {
  const Deployment& deployment = cluster.division.deployment;
  Json container = {{"name", "llama-server"}, {"image", image_with(unit.backend)}};
  Json arguments = Json::array();
  if (unit.processes.size() > 1) {
    container["command"] = {"/bin/bash", "-c"};
    arguments.push_back(argument(joint_command(unit)));
  } else {
    for (const auto& option : unit.processes.front().options)
      for (const auto& word : option) arguments.push_back(argument(word));
  }
  container["args"] = std::move(arguments);
  container["env"] = Json::array({{{"name", "LLAMA_CACHE"}, {"value", cache_mount}}});
  for (const auto& process : unit.processes) container["ports"].push_back({{"containerPort", process.port}});
  container["resources"] = resources(unit);
  container["securityContext"] = {{"allowPrivilegeEscalation", false}};
  // Pods take no limit on locked memory; the capability stands above it.
  if (unit.locked) container["securityContext"]["capabilities"] = {{"add", Json::array({"IPC_LOCK"})}};
  add_checks(deployment, unit, container);
  container["volumeMounts"] = Json::array();
  if (!deployment.models_dir.empty())
    container["volumeMounts"].push_back(
        {{"name", "models"}, {"mountPath", models_mount}, {"readOnly", true}});
  container["volumeMounts"].push_back({{"name", "cache"}, {"mountPath", cache_mount}});
  if (!unit.warm_pools.empty())
    container["volumeMounts"].push_back(
        {{"name", "presets"}, {"mountPath", "/etc/llmsize"}, {"readOnly", true}});
  return container;
}

Json volumes(const Cluster& cluster, const Unit& unit) {
  const Deployment& deployment = cluster.division.deployment;
  Json volumes = Json::array();
  if (!deployment.models_dir.empty())
    volumes.push_back(
        {{"name", "models"}, {"hostPath", {{"path", deployment.models_dir}, {"type", "Directory"}}}});
  volumes.push_back({{"name", "cache"}, {"emptyDir", Json::object()}});
  if (!unit.warm_pools.empty())
    volumes.push_back({{"name", "presets"}, {"configMap", {{"name", named(cluster, unit.id)}}}});
  return volumes;
}

/// Replicas on different nodes, and on the named ones where hosts are pinned.
Json affinity(const Cluster& cluster, const Unit& unit) {
  Json affinity = {{"podAntiAffinity",
                    {{"requiredDuringSchedulingIgnoredDuringExecution",
                      Json::array({{{"labelSelector", {{"matchLabels", labels(cluster, unit)}}},
                                    {"topologyKey", "kubernetes.io/hostname"}}})}}}};
  if (cluster.pin_hosts && !cluster.hosts.hosts.empty())
    affinity["nodeAffinity"] = {
        {"requiredDuringSchedulingIgnoredDuringExecution",
         {{"nodeSelectorTerms",
           Json::array({{{"matchExpressions", Json::array({{{"key", "kubernetes.io/hostname"},
                                                            {"operator", "In"},
                                                            {"values", cluster.hosts.hosts}}})}}})}}}};
  return affinity;
}

Json pod(const Cluster& cluster, const Unit& unit) {
  Json spec = {{"automountServiceAccountToken", false}, {"enableServiceLinks", false}};
  if (!cluster.pin_hosts || cluster.hosts.hosts.empty())
    spec["nodeSelector"] = {{class_label, class_value(cluster.hosts)}};
  spec["affinity"] = affinity(cluster, unit);
  spec["containers"] = Json::array({container_of(cluster, unit)});
  spec["volumes"] = volumes(cluster, unit);
  return {{"metadata", {{"labels", labels(cluster, unit)}}}, {"spec", std::move(spec)}};
}

Json deployment_object(const Cluster& cluster, const Unit& unit) {
  const std::size_t replicas = std::max<std::size_t>(1, cluster.hosts.hosts.size());
  return {{"apiVersion", "apps/v1"},
          {"kind", "Deployment"},
          {"metadata", {{"name", named(cluster, unit.id)}, {"labels", labels(cluster, unit)}}},
          {"spec",
           {{"replicas", replicas},
            {"selector", {{"matchLabels", labels(cluster, unit)}}},
            // A node has room for one replica, so the old one goes first.
            {"strategy",
             {{"type", "RollingUpdate"}, {"rollingUpdate", {{"maxSurge", 0}, {"maxUnavailable", 1}}}}},
            {"template", pod(cluster, unit)}}}};
}

Json service_object(const Cluster& cluster, const Unit& unit, const Process& process,
                    const std::string& role) {
  return {{"apiVersion", "v1"},
          {"kind", "Service"},
          {"metadata", {{"name", named(cluster, role)}, {"labels", labels(cluster, unit)}}},
          {"spec",
           {{"selector", labels(cluster, unit)},
            {"ports", Json::array({{{"name", service_port},
                                    {"port", cluster.division.deployment.first_port},
                                    {"targetPort", process.port}}})}}}};
}

Json presets_object(const Cluster& cluster, const Unit& unit) {
  Json data = Json::object();
  for (const auto& pool : unit.warm_pools)
    data[preset_name(pool)] = preset(cluster.division.deployment, pool);
  return {{"apiVersion", "v1"},
          {"kind", "ConfigMap"},
          {"metadata", {{"name", named(cluster, unit.id)}, {"labels", labels(cluster, unit)}}},
          {"data", std::move(data)}};
}

std::string head(const Cluster& cluster) {
  const Deployment& deployment = cluster.division.deployment;
  std::string text = "# " + deployment.title + "\n";
  text += cluster.pin_hosts && !cluster.hosts.hosts.empty()
              ? "# Pods go to the hosts named here.\n"
              : fmt::format("# Pods go to nodes labelled {}={}: label-nodes.sh.\n", class_label,
                            class_value(cluster.hosts));
  text +=
      "# Memory is the plan's, and page tables and 64 MiB for the container. Processors are physical cores, "
      "divided evenly\n# with one left to the system; a static CPU manager counts threads instead.\n";
  text += deployment.models_dir.empty()
              ? "# Models are downloaded into the pod's own disk space, so that no storage class is needed: "
                "a new pod downloads again.\n"
              : "# Models are read from the node's own folder, which must hold them.\n";
  std::set<std::string> backends;
  for (const auto& unit : cluster.division.units) backends.insert(unit.backend);
  if (backends.count("vulkan") != 0)
    text += "# Vulkan runs on GPUs of any maker: write the resource of your device plugin for amd.com/gpu.\n";
  if (backends.count("sycl") != 0)
    text += "# With Intel's newer driver, xe, the resource is gpu.intel.com/xe.\n";
  for (const auto& unit : cluster.division.units)
    if (!unit.threads) {
      text += "# The machine's processors are unknown: set cpu, or plan from a probe.\n";
      break;
    }
  return text;
}

std::string class_file(const Cluster& cluster) {
  std::string text = head(cluster);
  for (const auto& unit : cluster.division.units) {
    text += "---\n";
    for (const auto& process : unit.processes) text += "# " + process.comment + "\n";
    text += yaml_document(deployment_object(cluster, unit));
    if (!unit.warm_pools.empty()) text += "---\n" + yaml_document(presets_object(cluster, unit));
    for (const auto& process : unit.processes)
      for (const auto& role : process.roles)
        text += "---\n" + yaml_document(service_object(cluster, unit, process, role));
  }
  return text;
}

}  // namespace

std::string class_value(const HostClass& hosts) {
  return hosts.id.empty() ? "planned" : hosts.id;
}

std::string object_name(const std::vector<std::string>& words) {
  constexpr std::size_t longest = 63, digits = 8;
  std::string name = fmt::format("{}", fmt::join(words, "-"));
  // FNV-1a.
  std::uint32_t checksum = 2166136261U;
  for (const char c : name) checksum = (checksum ^ static_cast<unsigned char>(c)) * 16777619U;
  for (char& c : name)
    if (c == '_') c = '-';
  if (name.size() > longest || name.ends_with('-'))
    name = fmt::format("{}-{:08x}", name.substr(0, longest - digits - 1), checksum);
  return name;
}

std::vector<EmittedFile> emit_kubernetes(const FleetDeployment& fleet) {
  UnitRules rules;
  rules.preset_folder = preset_mount;
  rules.reserves = rules.own_cpus = rules.renumbers_gpus = true;
  std::vector<EmittedFile> files;
  for (const auto& hosts : fleet.classes) {
    const Cluster cluster{hosts, fleet.pin_hosts, divided(in_container(hosts.deployment), rules)};
    files.push_back({(hosts.id.empty() ? "servers" : hosts.id) + ".yaml", class_file(cluster)});
  }
  for (auto& file : node_files(fleet)) files.push_back(std::move(file));
  return files;
}

}  // namespace llmsize::emit
