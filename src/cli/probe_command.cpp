#include "llmsize/app/probe_command.hpp"

#include <cstdio>
#include <memory>

#include <fmt/format.h>
#include <unistd.h>

#include "llmsize/cli/commands.hpp"
#include "llmsize/cli/device_options.hpp"
#include "llmsize/cli/setters.hpp"
#include "llmsize/cli/values.hpp"

namespace llmsize::cli {
namespace {

/// Rates in GB/s and shares in cores. No machine has none, so 0 is a slip.
constexpr double lowest_rate = 0.001, highest_rate = 1e6;
constexpr std::int64_t highest_count = 32'767;

Setter set_rate(std::optional<double>& target) {
  return [&target](const std::string& text) -> Result<void> {
    const auto value = parse_number(text, lowest_rate, highest_rate);
    if (!value) return tl::unexpected(value.error());
    target = *value;
    return {};
  };
}

/// Sizes or names as `estimate --gpu` takes them; "none" for a machine whose GPUs shall not count.
Setter set_gpus(probe::HostOverrides& overrides) {
  return [&overrides](const std::string& text) -> Result<void> {
    overrides.no_gpus = text == "none";
    overrides.gpus.clear();
    if (overrides.no_gpus) return {};
    const auto wishes = parse_gpus(text);
    if (!wishes) return tl::unexpected(wishes.error());
    for (const auto& wish : *wishes)
      overrides.gpus.insert(overrides.gpus.end(), static_cast<std::size_t>(wish.count),
                            {wish.name, wish.memory});
    return {};
  };
}

Setter set_storage_kind(std::string& target) {
  std::vector<std::pair<std::string, std::string>> kinds;
  for (const char* kind : {"nvme", "ssd", "hdd", "virtual", "network", "memory"})
    kinds.emplace_back(kind, kind);
  return set_choice<std::string>(target, std::move(kinds));
}

Setter set_benchmarks(probe::BenchmarkRequest& request) {
  return [&request](const std::string& text) -> Result<void> {
    const auto parts = parse_list(text);
    if (!parts) return tl::unexpected(parts.error());
    for (const auto& part : *parts) {
      if (part != "memory" && part != "compute" && part != "storage")
        return fail(ErrorCode::usage, "\"" + part + "\" is no benchmark",
                    "Use some of: memory,compute,storage.");
      request.memory |= part == "memory";
      request.compute |= part == "compute";
      request.storage |= part == "storage";
    }
    return {};
  };
}

Setter set_seconds(double& target) {
  constexpr double shortest = 0.01, longest = 3600;
  return [&target](const std::string& text) -> Result<void> {
    const auto value = parse_number(text, shortest, longest);
    if (!value) return tl::unexpected(value.error());
    target = *value;
    return {};
  };
}

/// On stderr, and only where a person watches.
void show_progress(const std::string& what) {
  if (::isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "measuring %s\n", what.c_str());
}

OptionGroup memory_overrides(probe::HostOverrides& o) {
  return {
      "Correct the memory",
      {{{"--ram"}, "SIZE", "memory of the machine; a bare number is GiB", set_size(o.ram)},
       {{"--available"}, "SIZE", "memory that models may take now", set_size(o.available)},
       {{"--memory-limit"},
        "SIZE",
        "a limit below what is available, as a container has",
        set_size(o.memory_limit)},
       {{"--memlock"}, "SIZE", "memory that may be locked", set_size(o.memlock)},
       {{"--bandwidth"},
        "GB/S",
        "theoretical memory bandwidth in 10^9 bytes per second",
        set_rate(o.bandwidth_gigabytes)},
       {{"--numa"}, "N", "number of NUMA nodes of equal size", set_count(o.numa_nodes, 1, highest_count)}}};
}

OptionGroup other_overrides(probe::HostOverrides& o, std::vector<std::string>& facts) {
  return {"Correct the rest",
          {{{"--cores"}, "N", "physical cores", set_count(o.cores, 1, highest_count)},
           {{"--cpus"}, "N", "logical CPUs", set_count(o.logical_cpus, 1, highest_count)},
           {{"--packages"}, "N", "processor packages", set_count(o.packages, 1, highest_count)},
           {{"--cpu-quota"}, "CORES", "processor time allowed, in cores", set_rate(o.cpu_quota)},
           {{"--cpu-model"}, "NAME", "processor model", set_text(o.cpu_model)},
           {{"--isa"},
            "A,B",
            "instruction sets by the kernel's names, as avx2,avx512f",
            set_instruction_sets(o.isa)},
           {{"--llc"}, "SIZE", "last-level cache, all instances", set_size(o.last_level_cache)},
           {{"--gpu"},
            "LIST",
            "GPUs by memory or name: 24GiB,24GiB or \"2x RTX 4090\"; none for none",
            set_gpus(o)},
           {{"--storage"},
            "KIND",
            "nvme, ssd, hdd, virtual, network or memory",
            set_storage_kind(o.storage_kind)},
           {{"--storage-free"}, "SIZE", "free space for models", set_size(o.storage_free)},
           {{"--storage-speed"}, "GB/S", "read rate in 10^9 bytes per second", set_rate(o.storage_gigabytes)},
           {{"--fact"},
            "NAME=VALUE",
            "any fact by its name in --json, as limits.memory_max_bytes=1024; can be given again",
            [&facts](const std::string& text) -> Result<void> {
              facts.push_back(text);
              return {};
            }}}};
}

}  // namespace

Command probe_command(const app::Services& services) {
  auto options = std::make_shared<app::ProbeOptions>();
  Command command;
  command.name = "probe";
  command.summary = "this host: memory, limits, processor, NUMA, GPUs, storage, and what bounds a model here";
  command.examples = {
      {"llmsize probe", "what a model may use on this host, and what bounds it"},
      {"llmsize probe --json > host.json", "the same for plan --host and estimate --host"},
      {"llmsize probe --model-dir /srv/models", "with the storage that holds your models"},
      {"llmsize probe --diff before.json after.json", "what changed between two saved probes"}};
  command.positionals = {"A.json B.json", "the two saved probes of --diff",
                         [options](const std::string& word) -> Result<void> {
                           options->files.push_back(word);
                           return {};
                         }};
  command.groups = {
      {"Where to look",
       {{{"--model-dir"},
         "FOLDER",
         "whose storage is looked at (default: the current folder)",
         set_text(options->model_folder)},
        {{"--root"},
         "FOLDER",
         "replay a recorded tree; nothing of this machine is consulted",
         set_text(options->root)}}},
      memory_overrides(options->overrides),
      other_overrides(options->overrides, options->facts),
      {"Measure",
       {{{"--bench"}, "LIST", "memory,compute,storage: time them", set_benchmarks(options->benchmarks)},
        {{"--bench-file"},
         "FILE",
         "the large file that the storage benchmark reads (default: the largest in --model-dir)",
         set_text(options->benchmarks.file)},
        {{"--bench-seconds"},
         "S",
         "how long a measurement may take (default 1.5)",
         set_seconds(options->benchmarks.seconds)},
        {{"--save"},
         "",
         "keep what was measured; estimate and plan then use it for this host",
         set_true(options->save)}}},
      {"Answer",
       {{{"--dump"},
         "FILE.tar",
         "write what the probe reads, for --root and bug reports; --json shows what it replays to",
         set_text(options->dump)},
        {{"--no-identity"},
         "",
         "leave out the host's name, its id and GPUs' UUIDs, for what others may see",
         set_true(options->no_identity)},
        {{"--diff"}, "", "compare two saved probes", set_true(options->diff)},
        {{"--markdown"}, "", "a table for an issue report", set_true(options->markdown)},
        {{"--explain"}, "", "where each fact comes from", set_true(options->explain)},
        {{"--json"}, "", "one JSON document", set_true(options->json)}}}};
  command.run = [options, &services] { return app::run_probe(services, *options, show_progress); };
  return command;
}

}  // namespace llmsize::cli
