#include <fmt/format.h>

#include "llmsize/emit/container.hpp"
#include "llmsize/emit/emitters.hpp"
#include "llmsize/emit/units.hpp"

namespace llmsize::emit {
namespace {

std::string directives(const HostClass& hosts, bool pin, const Unit& unit) {
  const std::size_t nodes = hosts.hosts.empty() ? 1 : hosts.hosts.size();
  constexpr std::int64_t mebibyte = 1024 * 1024;
  const Bytes memory = unit.host_memory + container_overhead(unit.host_memory);
  std::string text = fmt::format(
      "#SBATCH --job-name=llmsize-{0}\n#SBATCH --output=llmsize-{0}-%j.log\n#SBATCH --nodes={1}\n"
      "#SBATCH --ntasks-per-node=1\n#SBATCH --cpus-per-task={2}\n#SBATCH --mem={3}M\n",
      unit.id, nodes, unit.threads.value_or(1), (memory.value() + mebibyte - 1) / mebibyte);
  if (nodes > 1) text += "#SBATCH --no-kill\n";
  if (!unit.devices.empty()) text += fmt::format("#SBATCH --gres=gpu:{}\n", unit.devices.size());
  if (hosts.id.empty()) return text;
  if (pin) return text + fmt::format("#SBATCH --nodelist={}\n", fmt::join(hosts.hosts, ","));
  return text + fmt::format("#SBATCH --constraint={}\n", hosts.id);
}

std::string command_of(const Process& process) {
  std::string text = fmt::format("  # {}\n  \"$engine\"", process.comment);
  for (const auto& option : process.options) {
    text += " \\\n   ";
    for (const auto& word : option)
      text += " " + (is_preset(option, word) ? "\"$presets\"/" + word : shell_quoted(word));
  }
  return text + " &\n";
}

/// Tells where the roles are served, one file for each role and node.
std::string address_files(const Process& process) {
  std::string text;
  for (const auto& role : process.roles)
    text +=
        fmt::format("  echo \"http://$HOSTNAME:{}/v1\" >\"$addresses/{}.$HOSTNAME\"\n", process.port, role);
  return text;
}

std::string body(const Deployment& deployment, const Unit& unit) {
  std::string text = fmt::format(
      "set -euo pipefail\nexport engine=${{LLAMA_SERVER:-{}}}\n"
      "export addresses=${{LLMSIZE_ADDRESSES:-$SLURM_SUBMIT_DIR/llmsize-addresses}}\n"
      "mkdir -p \"$addresses\"\n"
      "[ -n \"${{LLAMA_API_KEY:-}}\" ] || echo \"LLAMA_API_KEY is not set: whoever reaches the node can use "
      "the server.\" >&2\n\nserve() {{\n  set -euo pipefail\n",
      shell_quoted(deployment.engine));
  std::string own_files;
  for (const auto& process : unit.processes)
    for (const auto& role : process.roles) own_files += fmt::format(" \"$addresses/{}.$HOSTNAME\"", role);
  if (!unit.warm_pools.empty()) text += "  presets=$(mktemp -d)\n";
  text += fmt::format("  trap 'rm -rf{}{}; kill $(jobs -p) 2>/dev/null || true' EXIT\n", own_files,
                      unit.warm_pools.empty() ? "" : " \"$presets\"");
  for (const auto& pool : unit.warm_pools)
    text += fmt::format("  cat >\"$presets\"/{} <<'END_OF_PRESETS'\n{}END_OF_PRESETS\n", preset_name(pool),
                        preset(deployment, pool));
  for (const auto& process : unit.processes) text += address_files(process);
  for (const auto& process : unit.processes) text += command_of(process);
  text += "  # One that ends takes the others along, so that Slurm sees the failure.\n  wait -n\n}\n";
  return text + fmt::format("export -f serve\nsrun --cpu-bind=cores --mem-bind=local{} bash -c serve\n",
                            unit.numa_node ? " --distribution=block:block" : "");
}

std::string script(const HostClass& hosts, bool pin, const Deployment& deployment, const Unit& unit) {
  std::string text = fmt::format(
      "#!/usr/bin/env bash\n# {}\n# The time limit is yours: sbatch --time=2-00:00:00 of this file, "
      "SBATCH_TIMELIMIT, or LLMSIZE_TIME of submit.sh.\n",
      deployment.title);
  if (!unit.threads)
    text += "# The machine's processors are unknown: set --cpus-per-task, or plan from a probe.\n";
  return text + directives(hosts, pin, unit) + "\n" + body(deployment, unit);
}

std::string submit_script(const std::string& title, const std::vector<EmittedFile>& scripts) {
  std::string text = fmt::format(
      "#!/usr/bin/env bash\n# {}\n# Submits every server; further options go to sbatch. Where they answer is "
      "written into llmsize-addresses.\nset -euo pipefail\ncd \"$(dirname \"$0\")\"\n"
      "time_limit=${{LLMSIZE_TIME:-7-00:00:00}}\nfor script in",
      title);
  for (const auto& file : scripts) text += " \\\n  " + shell_quoted(file.name);
  return text + "; do\n  sbatch --time=\"$time_limit\" \"$@\" \"$script\"\ndone\n";
}

/// Slurm has no command that adds a feature, only one that replaces them all.
std::string features_script(const FleetDeployment& fleet) {
  std::string text = fmt::format(
      "#!/usr/bin/env bash\n# {}\n# Gives each node its class as a feature, until slurmctld starts again: "
      "Feature= in slurm.conf keeps it.\nset -euo pipefail\nadd() {{\n"
      "  old=$(scontrol show node -o \"$1\" | sed -n 's/.*AvailableFeatures=\\([^ ]*\\).*/\\1/p')\n"
      "  [ \"$old\" != \"(null)\" ] || old=\n"
      "  case \",$old,\" in *\",$2,\"*) return ;; esac\n"
      "  scontrol update nodename=\"$1\" availablefeatures=\"${{old:+$old,}}$2\" "
      "activefeatures=\"${{old:+$old,}}$2\"\n}}\n",
      fleet.title);
  for (const auto& hosts : fleet.classes)
    for (const auto& host : hosts.hosts) text += fmt::format("add {} {}\n", shell_quoted(host), hosts.id);
  return text;
}

}  // namespace

std::vector<EmittedFile> emit_slurm(const FleetDeployment& fleet) {
  UnitRules rules;
  rules.reserves = rules.own_cpus = rules.renumbers_gpus = true;
  std::vector<EmittedFile> files;
  bool has_classes = false;
  for (const auto& hosts : fleet.classes) {
    has_classes = has_classes || !hosts.id.empty();
    Deployment open = hosts.deployment;
    // Whoever submits is on another node.
    open.listen_address = "0.0.0.0";
    const Division division = divided(std::move(open), rules);
    for (const auto& unit : division.units)
      files.push_back({(hosts.id.empty() ? "" : hosts.id + "/") + "llmsize-" + unit.id + ".sbatch",
                       script(hosts, fleet.pin_hosts, division.deployment, unit), true});
  }
  const std::string submit = submit_script(fleet.title, files);
  files.push_back({"submit.sh", submit, true});
  if (has_classes && !fleet.pin_hosts) files.push_back({"features.sh", features_script(fleet), true});
  return files;
}

}  // namespace llmsize::emit
