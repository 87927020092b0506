#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include <fmt/format.h>

#include "llmsize/core/text.hpp"
#include "llmsize/render/host.hpp"

namespace llmsize::render {
namespace {

/// A line of the page: what, how much, and where it comes from.
struct Row {
  std::string section, label, value, source;
};

std::string show(Bytes size) {
  return size_text(size);
}
std::string show(BytesPerSecond rate) {
  return fmt::format("{:.1f} GB/s", rate.per_second() / 1e9);
}
std::string show(const std::string& text) {
  return text;
}
std::string show(int number) {
  return std::to_string(number);
}
std::string show(double number) {
  return fmt::format("{:.4g}", number);
}

template <class Range>
std::string joined(const Range& items, const char* separator) {
  return fmt::format("{}", fmt::join(items, separator));
}

/// "0-3,8" from sorted numbers.
std::string ranges(const std::vector<int>& numbers) {
  std::string text;
  for (std::size_t first = 0; first < numbers.size();) {
    std::size_t last = first;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    text += fmt::format("{}{}{}", text.empty() ? "" : ",", numbers[first],
                        last > first ? fmt::format("-{}", numbers[last]) : "");
    first = last + 1;
  }
  return text.empty() ? "none" : text;
}

class Rows {
 public:
  void begin(std::string section) { section_ = std::move(section); }
  void add(std::string label, std::string value, std::string source = {}) {
    rows_.push_back(
        {section_, printable(std::move(label)), printable(std::move(value)), printable(std::move(source))});
  }
  /// `flag` is the one that supplies the fact where it is unknown.
  template <class T>
  void fact(const char* label, const Fact<T>& fact, const char* flag = "") {
    const std::string source =
        fact.source.empty() ? "" : fmt::format("{}: {}", basis_name(fact.basis), fact.source);
    if (fact.known()) return add(label, show(*fact.value), source);
    add(label, *flag == '\0' ? "unknown" : fmt::format("unknown ({} supplies it)", flag), fact.source);
  }
  /// Only where known: a limit that is not set is not worth a line.
  template <class T>
  void known(const char* label, const Fact<T>& value) {
    if (value.known()) fact(label, value);
  }
  [[nodiscard]] const std::vector<Row>& all() const { return rows_; }

 private:
  std::string section_;
  std::vector<Row> rows_;
};

/// "4 x 16.00 GiB at 3200 MT/s" for each kind of module.
std::string modules_text(const std::vector<Dimm>& dimms) {
  std::map<std::string, int> counts;
  for (const auto& dimm : dimms)
    ++counts[fmt::format("{}{}", dimm.size.known() ? size_text(*dimm.size.value) : "unknown size",
                         dimm.mega_transfers_per_second.known()
                             ? fmt::format(" at {} MT/s", *dimm.mega_transfers_per_second.value)
                             : "")];
  std::vector<std::string> kinds;
  for (const auto& [kind, count] : counts) kinds.push_back(fmt::format("{} x {}", count, kind));
  return joined(kinds, ", ");
}

void add_memory(const Host& host, Rows& rows) {
  const auto& memory = host.memory;
  rows.begin("Memory");
  rows.fact("total", memory.total, "--ram");
  rows.fact("available now", memory.available, "--available");
  rows.known("control group limit", host.limits.memory_max);
  rows.known("control group throttles at", host.limits.memory_high);
  rows.known("left under these limits", host.limits.memory_available);
  rows.known("measured bandwidth", memory.measured_bandwidth);
  // Worth a line when unknown, since decoding speed hangs on it.
  rows.fact("theoretical bandwidth", memory.bandwidth, "--bandwidth");
  if (!host.dimms.empty()) rows.add("modules", modules_text(host.dimms), "SMBIOS");
  if (host.limits.memlock.known())
    rows.fact("lockable (--mlock)", host.limits.memlock);
  else
    rows.add("lockable (--mlock)",
             host.limits.memlock.source.ends_with("unlimited") ? "all of it" : "unknown",
             host.limits.memlock.source);
  rows.known("ZFS cache that can shrink", memory.arc_reclaimable);
  for (const auto& pool : memory.huge_pages)
    rows.add("set aside as huge pages", fmt::format("{} x {}, {} free (llama.cpp does not use them)",
                                                    pool.pages, size_text(pool.page), pool.free_pages));
  if (memory.swap_total.value_or(Bytes()) > Bytes()) rows.fact("swap (never counted)", memory.swap_total);
  rows.known("transparent huge pages", memory.transparent_huge_pages);
  if (memory.overcommit.value_or(0) != 0) rows.fact("vm.overcommit_memory", memory.overcommit);
}

/// "2 x 48.00 KiB data, 2 x 32.00 KiB instruction" for the caches of one level.
std::string caches_text(const std::vector<CpuCache>& caches, int level) {
  std::vector<std::string> parts;
  for (const auto& cache : caches)
    if (cache.level == level)
      parts.push_back(fmt::format("{} x {}{}", cache.instances,
                                  cache.size.known() ? size_text(*cache.size.value) : "unknown size",
                                  cache.type == "unified" ? "" : " " + cache.type));
  return joined(parts, ", ");
}

void add_instruction_sets(const Host& host, Rows& rows) {
  const auto& cpu = host.cpu;
  const auto flags = cpu.avx512_flags();
  if (host.platform.machine.value_or("x86_64") == "x86_64")
    rows.add("AVX-512",
             !cpu.isa.known() ? "unknown (--isa supplies it)"
             : flags.empty()  ? "no"
                              : fmt::format("yes: {}", joined(flags, " ")),
             cpu.isa.source);
  if (!cpu.isa.known()) return;
  std::vector<std::string> others;
  std::copy_if(cpu.isa.value->begin(), cpu.isa.value->end(), std::back_inserter(others),
               [](const std::string& flag) { return !flag.starts_with("avx512"); });
  rows.known("vectors, in bits", cpu.vector_bits);
  rows.add("instruction sets", others.empty() ? "none that matter" : joined(others, " "), cpu.isa.source);
}

void add_processor(const Host& host, Rows& rows) {
  const auto& cpu = host.cpu;
  rows.begin("Processor");
  rows.fact("model", cpu.model, "--cpu-model");
  rows.fact("physical cores", cpu.physical_cores, "--cores");
  if (cpu.kinds.size() > 1)
    for (const auto& kind : cpu.kinds)
      rows.add("  of these",
               fmt::format(
                   "{} x {}{}", kind.cores, kind.name.value_or("unnamed"),
                   kind.max_megahertz.known() ? fmt::format(", {:.0f} MHz", *kind.max_megahertz.value) : ""),
               kind.name.source);
  rows.fact("logical CPUs online", cpu.logical_online, "--cpus");
  rows.known("packages", cpu.packages);
  rows.known("quota in cores", host.limits.cpu_quota_cores);
  const auto& allowed = host.limits.allowed_cpus;
  if (allowed.known() && allowed.value != cpu.online.value)
    rows.add("CPUs allowed", ranges(*allowed.value), allowed.source);
  rows.fact("threads to decode with", host.effective.threads, "--cores");
  if (host.effective.prompt_threads.value != host.effective.threads.value)
    rows.fact("threads for prompts", host.effective.prompt_threads);
  add_instruction_sets(host, rows);
  std::set<int> levels;
  for (const auto& cache : cpu.caches) levels.insert(cache.level);
  for (const int level : levels)
    rows.add(fmt::format("L{} cache", level), caches_text(cpu.caches, level), cpu.caches.front().size.source);
}

void add_nodes(const Host& host, Rows& rows) {
  if (host.numa.size() < 2) return;
  rows.begin("NUMA");
  for (const auto& node : host.numa)
    rows.add(
        fmt::format("node {}", node.id),
        fmt::format(
            "{}{}, CPUs {}{}{}", node.total.known() ? size_text(*node.total.value) : "unknown size",
            node.available.known() ? fmt::format(" ({} available)", size_text(*node.available.value)) : "",
            ranges(node.cpus), node.kind.value == "dram" ? "" : ", " + node.kind.value_or("unknown kind"),
            node.side_cache.known() ? fmt::format(", behind a cache of {}", size_text(*node.side_cache.value))
                                    : ""),
        node.total.source);
  const auto& allowed = host.limits.allowed_memory_nodes;
  if (allowed.known() && allowed.value->size() < host.numa.size())
    rows.add("nodes allowed", ranges(*allowed.value), allowed.source);
  const auto& budgets = host.numa_budgets;
  if (!budgets.bind.known()) return;
  rows.add(
      "a model bound to one node",
      fmt::format(
          "up to {}, on node {}{}", size_text(*budgets.bind.value), budgets.bind_node,
          budgets.bind_threads.known() ? fmt::format(" with {} threads", *budgets.bind_threads.value) : ""),
      budgets.bind.source);
  rows.fact("interleaved over the nodes", budgets.interleave);
  rows.fact("a copy on each node", budgets.replicate);
}

std::string gpu_text(const GpuFacts& gpu) {
  std::string text = gpu.unified                ? "shares the system's memory: not added to RAM"
                     : gpu.memory_total.known() ? size_text(*gpu.memory_total.value)
                                                : "unknown memory (--gpu supplies it)";
  if (gpu.memory_free.known()) text += fmt::format(", {} free", size_text(*gpu.memory_free.value));
  if (gpu.bandwidth.known()) text += ", " + show(*gpu.bandwidth.value);
  if (gpu.fp16_tflops.known()) text += fmt::format(", {:.4g} TFLOPS FP16", *gpu.fp16_tflops.value);
  if (gpu.backend.known()) text += ", " + *gpu.backend.value;
  return text;
}

void add_devices(const Host& host, Rows& rows) {
  rows.begin("GPUs");
  if (host.gpus.empty()) rows.add("none found", "--gpu describes one");
  for (const auto& gpu : host.gpus) rows.add(gpu.name, gpu_text(gpu), gpu.memory_total.source);
  rows.begin("Storage");
  for (const auto& storage : host.storage) {
    rows.add("folder", storage.path);
    rows.fact("  kind", storage.kind, "--storage");
    rows.add("  device",
             fmt::format("{} ({})", storage.device.value_or("unknown"),
                         storage.filesystem.value_or("unknown file system")),
             storage.device.source);
    rows.fact("  free", storage.free, "--storage-free");
    rows.known("  read rate", storage.read_rate);
  }
}

void add_platform(const Host& host, Rows& rows) {
  const auto& platform = host.platform;
  rows.begin("Platform");
  rows.fact("system", platform.os);
  rows.add("kernel",
           fmt::format("{} on {}", platform.kernel.value_or("unknown"),
                       platform.machine.value_or("an unknown architecture")),
           platform.kernel.source);
  rows.add("virtual machine", platform.virtualization.value_or("no sign of one"),
           platform.virtualization.source);
  rows.add("container", platform.container.value_or("no sign of one"), platform.container.source);
}

void add_benchmarks(const Host& host, Rows& rows) {
  rows.begin("Measured");
  for (const auto& result : host.benchmarks) {
    constexpr double giga = 1e9, percent = 100;
    const char* unit = result.unit == "bytes_per_second" ? "GB/s" : "G operations/s";
    rows.add(result.name, fmt::format("{:.1f} {}: {}, {} thread{}, spread {:.0f} %, {}", result.median / giga,
                                      unit, result.detail, result.threads, result.threads == 1 ? "" : "s",
                                      result.spread * percent, result.confidence));
  }
}

Rows rows_of(const Host& host) {
  Rows rows;
  add_memory(host, rows);
  add_processor(host, rows);
  add_nodes(host, rows);
  add_devices(host, rows);
  add_platform(host, rows);
  add_benchmarks(host, rows);
  return rows;
}

std::string verdict(const Host& host, const std::optional<Tier>& tier) {
  const auto& effective = host.effective;
  const std::string level = tier ? fmt::format("{}: ", tier->rule.name) : "";
  if (!effective.memory.known())
    return "How much memory a model may use is unknown: no source states it. --ram supplies it.";
  const std::string threads = effective.threads.known()
                                  ? fmt::format(" with {} thread{}", *effective.threads.value,
                                                *effective.threads.value == 1 ? "" : "s")
                                  : "";
  return printable(fmt::format("{}up to {} for models{}, bound by {}.", level,
                               size_text(*effective.memory.value), threads, effective.bound_by));
}

std::string tier_lines(const std::optional<Tier>& tier, const char* end) {
  if (!tier) return {};
  std::string text = fmt::format("The sizing guide's tier at {} GiB is {}. {}{}", tier->whole_gib,
                                 tier->rule.name, tier->rule.advice, end);
  if (!tier->note.empty()) text += fmt::format("Note: {}.{}", tier->note, end);
  return text;
}

}  // namespace

std::string host_text(const Host& host, const std::optional<Tier>& tier, bool explain) {
  std::string page = verdict(host, tier) + "\n" + tier_lines(tier, "\n");
  for (const auto& warning : host.warnings)
    page += printable(fmt::format("Warning: {}. {}", warning.message, warning.remedy)) + "\n";
  const Rows table = rows_of(host);
  std::size_t width = 0;
  for (const auto& row : table.all()) width = std::max(width, row.label.size());
  std::string section;
  for (const auto& row : table.all()) {
    if (row.section != section) page += fmt::format("\n{}\n", row.section);
    section = row.section;
    page += fmt::format("  {:<{}}  {}\n", row.label, width, row.value);
    if (explain && !row.source.empty()) page += fmt::format("  {:<{}}    [{}]\n", "", width, row.source);
  }
  if (!explain)
    page +=
        "\n--explain shows where each fact comes from; a flag named after a fact overrides it,\n"
        "and --fact NAME=VALUE any fact by its name in --json.\n";
  return page;
}

std::string host_markdown(const Host& host, const std::optional<Tier>& tier) {
  std::string page = "**" + verdict(host, tier) + "**\n\n" + tier_lines(tier, "\n\n");
  for (const auto& warning : host.warnings)
    page += printable(fmt::format("- Warning: {}. {}", warning.message, warning.remedy)) + "\n";
  page += "\n| | fact | value | source |\n|---|---|---|---|\n";
  const auto cell = [](std::string text) {
    // A bar would end the cell.
    for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, "\\");
    return text;
  };
  const Rows table = rows_of(host);
  for (const auto& row : table.all())
    page += fmt::format("| {} | {} | {} | {} |\n", row.section, cell(row.label), cell(row.value),
                        cell(row.source));
  return page;
}

}  // namespace llmsize::render
