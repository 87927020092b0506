#include "llmsize/app/plan_command.hpp"

#include <memory>

#include <fmt/format.h>

#include "llmsize/app/fleet_files.hpp"
#include "llmsize/app/fleet_plan.hpp"
#include "llmsize/app/local_host.hpp"
#include "llmsize/app/plan_files.hpp"
#include "llmsize/cli/commands.hpp"
#include "llmsize/cli/device_options.hpp"
#include "llmsize/cli/setters.hpp"
#include "llmsize/cli/values.hpp"
#include "llmsize/emit/emitters.hpp"

namespace llmsize::cli {
namespace {

using app::PlanOptions;

/// The engine's own bound on parallel sequences (LLAMA_MAX_SEQ).
constexpr std::int64_t highest_parallel = 256;

Setter append_to(std::vector<std::string>& target) {
  return [&target](const std::string& text) -> Result<void> {
    target.push_back(text);
    return {};
  };
}

Setter set_number(std::optional<double>& target, double lowest, double highest) {
  return [&target, lowest, highest](const std::string& text) -> Result<void> {
    const auto number = parse_number(text, lowest, highest);
    if (!number) return tl::unexpected(number.error());
    target = *number;
    return {};
  };
}

/// "8192" for every role, or "ROLE=8192" for one.
Setter set_per_role(std::optional<std::int64_t>& all, std::map<std::string, std::int64_t>& of_role,
                    std::function<Result<std::int64_t>(const std::string&)> parse) {
  return [&all, &of_role, parse = std::move(parse)](const std::string& text) -> Result<void> {
    const auto equals = text.find('=');
    const auto value = parse(equals == std::string::npos ? text : text.substr(equals + 1));
    if (!value) return tl::unexpected(value.error());
    if (equals == std::string::npos)
      all = *value;
    else
      of_role[text.substr(0, equals)] = *value;
    return {};
  };
}

Setter set_cache_ram(Bytes& target) {
  return [&target](const std::string& text) -> Result<void> {
    // llama-server's own unit: MiB, 0 for none.
    const auto mib = parse_count(text, 0, 1'000'000'000);
    if (!mib) return tl::unexpected(mib.error());
    target = mebibytes(*mib);
    return {};
  };
}

/// Adds what a list of GPUs names; a bare number is a size in GiB.
Setter set_gpus(app::GpuOptions& target) {
  return [&target](const std::string& text) -> Result<void> {
    target.none = text == "none";
    if (target.none) {
      target.wishes.clear();
      return {};
    }
    const auto wishes = parse_gpus(text);
    if (!wishes) return tl::unexpected(wishes.error());
    target.wishes.insert(target.wishes.end(), wishes->begin(), wishes->end());
    return {};
  };
}

Setter add_vram(app::GpuOptions& target) {
  return [&target](const std::string& text) -> Result<void> {
    const auto size = parse_gpu_memory(text);
    if (!size) return tl::unexpected(size.error());
    target.none = false;
    target.wishes.push_back({1, {}, *size});
    return {};
  };
}

OptionGroup machine_options(PlanOptions& o, std::string& host_file) {
  constexpr double highest_percent = 90;
  constexpr std::int64_t most_nodes = 16;
  return {
      "Machine",
      {{{"--ram"}, "SIZE", "plan for a machine with this much RAM; a bare number is GiB", set_size(o.ram)},
       {{"--gpu"},
        "LIST",
        "GPUs beside that memory: \"2x RTX 4090\", 24GiB, none (default: the host's own)",
        set_gpus(o.gpus)},
       {{"--vram"}, "SIZE", "a GPU with this much memory", add_vram(o.gpus)},
       {{"--numa"},
        "N",
        "NUMA nodes that the memory is spread over (default: the host's)",
        set_count(o.numa_nodes, 1, most_nodes)},
       {{"--host"}, "FILE", "plan for a saved `probe --json`", set_text(host_file)},
       {{"--os-reserve"},
        "SIZE",
        "kept for the system (the smaller of 16 GiB and RAM / 4; measured on a probed host)",
        set_size(o.os_reserve)},
       {{"--margin"},
        "PERCENT",
        "safety margin of all RAM (15)",
        set_number(o.safety_percent, 0, highest_percent)}}};
}

/// "ROLE=TOKENS/S".
Setter set_demand(std::map<std::string, double>& target) {
  return [&target](const std::string& text) -> Result<void> {
    constexpr double lowest = 0.001, highest = 1e9;
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(ErrorCode::usage, fmt::format("\"{}\" is not ROLE=TOKENS/S", text),
                  "For example workers=200.");
    const auto rate = parse_number(text.substr(equals + 1), lowest, highest);
    if (!rate) return tl::unexpected(rate.error());
    target[text.substr(0, equals)] = *rate;
    return {};
  };
}

OptionGroup fleet_options(app::FleetOptions& o) {
  constexpr std::int64_t most_replicas = 100'000;
  const auto parse_replicas = [](const std::string& text) { return parse_count(text, 0, most_replicas); };
  return {"Many machines",
          {{{"--hosts"}, "DIR", "plan for every saved `probe --json` in this folder", set_text(o.folder)},
           {{"--skip-bad"},
            "",
            "leave out files that cannot be read or contradict themselves, instead of failing",
            set_true(o.skip_bad)},
           {{"--replicas"},
            "[ROLE=]N",
            "serve a role on so many hosts; repeatable (default: every host runs its own plan)",
            set_per_role(o.replicas, o.replicas_of, parse_replicas)},
           {{"--demand"},
            "ROLE=TOKENS/S",
            "as many replicas as decode so much together, one stream each; repeatable",
            set_demand(o.demand_of)},
           {{"--pin-hosts"},
            "",
            "name the hosts, not only their classes, where a format selects hosts",
            set_true(o.pin_hosts)}}};
}

OptionGroup role_options(PlanOptions& o) {
  constexpr double highest_speed = 1e6;
  return {
      "Roles and models",
      {{{"--roles"},
        "SET|FILE",
        "a role set (guide, verifier_cascade, hybrid_routing, multi_phase_pipeline) or a JSON file (guide)",
        set_text(o.role_set)},
       {{"--pin"}, "ROLE=MODEL[:QUANT]", "this role takes this model; repeatable", append_to(o.pins)},
       {{"--exclude"}, "MODEL", "never this model; repeatable", append_to(o.excluded)},
       {{"--license"},
        "NAME",
        "only models with this license; repeatable. Unknown ones are left out",
        append_to(o.licences)},
       {{"--min-quality"},
        "X",
        "only choices of at least this quality, 0 to 1",
        set_number(o.lowest_quality, 0, 1)},
       {{"--min-speed"},
        "TOKENS/S",
        "only choices that decode at least so fast",
        set_number(o.lowest_speed, 0, highest_speed)},
       {{"--policy"},
        "quality|balanced|speed",
        "which quants may be chosen (balanced)",
        set_choice<app::PlanPolicy>(o.policy, {{"quality", app::PlanPolicy::quality},
                                               {"balanced", app::PlanPolicy::balanced},
                                               {"speed", app::PlanPolicy::speed}})}}};
}

OptionGroup run_options(PlanOptions& o) {
  const auto parse_parallel = [](const std::string& text) { return parse_count(text, 1, highest_parallel); };
  return {"Run",
          {{{"-c", "--ctx-size"},
            "[ROLE=]N",
            "context in tokens, of every role or of one (8192)",
            set_per_role(o.context_tokens, o.context_of, parse_tokens)},
           {{"-np", "--parallel"},
            "[ROLE=]N",
            "server slots, of every role or of one (4)",
            set_per_role(o.parallel, o.parallel_of, parse_parallel)},
           {{"-cram", "--cache-ram"},
            "MIB",
            "cap of each server's prompt cache in MiB (512; llama-server's own is 8192)",
            set_cache_ram(o.prompt_cache)},
           {{"-lm", "--load-mode"},
            "MODE",
            "mmap, none, mlock or auto: mmap, but none where it would hold repacked weights twice (auto)",
            set_choice<std::optional<LoadMode>>(o.load_mode, {{"auto", std::nullopt},
                                                              {"mmap", LoadMode::mmap},
                                                              {"none", LoadMode::none},
                                                              {"mlock", LoadMode::mlock}})}}};
}

OptionGroup speed_options(PlanOptions& o) {
  return {"Speed",
          {{{"--bandwidth"},
            "GB/S",
            "memory bandwidth in 10^9 bytes per second (default: what the host's facts say)",
            set_rate(o.bandwidth)},
           {{"--cpu"}, "NAME", "a processor of the catalog instead of the host's", set_text(o.cpu)},
           {{"--storage-speed", "--storage-rate"},
            "GB/S",
            "what models are read with, for load times (default: as measured on the host)",
            set_rate(o.storage_rate)}}};
}

OptionGroup serving_options(PlanOptions& o) {
  constexpr std::int64_t lowest_port = 1, highest_port = 65000;
  const auto set_port = [&o](const std::string& text) -> Result<void> {
    const auto port = parse_count(text, lowest_port, highest_port);
    if (!port) return tl::unexpected(port.error());
    o.serving.first_port = *port;
    return {};
  };
  std::string formats;
  for (const auto& emitter : emit::emitters())
    formats += std::string(formats.empty() ? "" : "|") + emitter.id;
  return {"Serving",
          {{{"--emit"}, formats, "write the plan as configuration for a serving engine", set_text(o.emit)},
           {{"--out"},
            "DIR",
            "write the files there, all or none; the folder must not exist yet",
            set_text(o.out)},
           {{"--models-dir"},
            "DIR",
            "where the GGUF files lie (default: -hf references)",
            set_text(o.serving.models_dir)},
           {{"--engine"}, "PROGRAM", "the server to start (llama-server)", set_text(o.serving.engine)},
           {{"--port"}, "N", "of the first server (8080)", set_port}}};
}

struct Flags {
  PlanOptions options;
  app::FleetOptions fleet;
  std::string host_file;
  std::string check;
  bool diff = false;
  std::vector<std::string> files;
};

/// Flags that contradict each other, or that would silently do nothing.
Result<void> check_flags(const Flags& flags) {
  const PlanOptions& options = flags.options;
  if (flags.diff ? flags.files.size() != 2 : !flags.files.empty())
    return fail(ErrorCode::usage, "--diff compares two saved plans, and nothing else takes file names",
                "For example llmsize plan --diff before.json after.json.");
  if (options.ram && !flags.host_file.empty())
    return fail(ErrorCode::usage, "--ram describes one machine and --host another", "Give one of them.");
  const bool writes = !options.emit.empty() || !options.out.empty();
  if (writes && (flags.diff || !flags.check.empty()))
    return fail(ErrorCode::usage, "--check and --diff write no configuration",
                "Leave --emit and --out away, or plan again with them.");
  if (!flags.fleet.folder.empty() && (flags.diff || !flags.host_file.empty()))
    return fail(ErrorCode::usage, "--hosts brings its own machines", "Drop --host and --diff.");
  if (flags.fleet.folder.empty() &&
      (flags.fleet.skip_bad || flags.fleet.pin_hosts || flags.fleet.counts_replicas()))
    return fail(ErrorCode::usage, "--replicas, --demand, --skip-bad and --pin-hosts are about many machines",
                "Name a folder of saved probes with --hosts DIR.");
  return {};
}

}  // namespace

Command plan_command(const app::Services& services) {
  auto flags = std::make_shared<Flags>();
  Command command;
  command.name = "plan";
  command.summary = "which models fill which roles on this hardware, within its memory";
  command.examples = {
      {"llmsize plan", "for this host"},
      {"llmsize plan --ram 256", "for a machine with 256 GiB"},
      {"llmsize plan --ram 128 --emit llama-swap --models-dir /srv/models",
       "as configuration for a serving engine"},
      {"llmsize plan --hosts probes --replicas frontdoor=2 --replicas workers=4",
       "for many machines, from one saved probe of each"},
      {"llmsize plan --check plan.json", "does the saved plan still fit this machine, for CI"},
      {"llmsize plan --host host.json --pin frontdoor=qwen2.5-7b-instruct:Q4_K_M --json",
       "for a saved probe, with one role decided"}};
  command.groups = {
      machine_options(flags->options, flags->host_file),
      fleet_options(flags->fleet),
      role_options(flags->options),
      run_options(flags->options),
      speed_options(flags->options),
      serving_options(flags->options),
      {"Answer",
       {{{"--check"},
         "FILE",
         "size a saved plan again and say what no longer fits this machine, or each machine of --hosts "
         "(exit status 3)",
         set_text(flags->check)},
        {{"--diff"}, "", "compare two saved plans", set_true(flags->diff)},
        {{"--method"},
         "exact|guide",
         "guide: keep the guide's fixed 16 GiB for the system (exact)",
         set_choice<bool>(flags->options.guide_method, {{"exact", false}, {"guide", true}})},
        {{"--json"}, "", "one JSON document", set_true(flags->options.json)}}}};
  command.positionals = {"A.json B.json", "the two saved plans of --diff",
                         [flags](const std::string& word) -> Result<void> {
                           flags->files.push_back(word);
                           return {};
                         }};
  command.run = [flags, &services]() -> Result<app::Outcome> {
    const auto& options = flags->options;
    if (auto checked = check_flags(*flags); !checked) return tl::unexpected(checked.error());
    if (flags->diff) return app::compare_plans(services, flags->files[0], flags->files[1], options.json);
    if (!flags->fleet.folder.empty())
      return flags->check.empty() ? app::run_fleet_plan(services, options, flags->fleet)
                                  : app::check_fleet_plan(services, options, flags->fleet, flags->check);
    const auto host = options.ram ? Result<Host>(Host{}) : app::host_for_budget(services, flags->host_file);
    if (!host) return tl::unexpected(host.error());
    if (!flags->check.empty()) return app::check_plan(services, *host, options, flags->check);
    return app::run_plan(services, *host, options);
  };
  return command;
}

}  // namespace llmsize::cli
