#include <algorithm>

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
    rows_.push_back({section_, std::move(label), std::move(value), std::move(source)});
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

void add_memory(const Host& host, Rows& rows) {
  rows.begin("Memory");
  rows.fact("total", host.memory.total, "--ram");
  rows.fact("available now", host.memory.available, "--available");
  rows.known("control group limit", host.limits.memory_max);
  rows.known("control group throttles at", host.limits.memory_high);
  rows.known("left under that limit", host.limits.memory_available);
  rows.known("theoretical bandwidth", host.memory.bandwidth);
  rows.known("lockable (--mlock)", host.limits.memlock);
  rows.known("ZFS cache that can shrink", host.memory.arc_reclaimable);
  if (host.memory.swap_total.value_or(Bytes()) > Bytes())
    rows.fact("swap (never counted)", host.memory.swap_total);
  for (const auto& dimm : host.dimms)
    rows.add(dimm.locator.empty() ? "module" : dimm.locator,
             fmt::format("{}, {} MT/s", size_text(dimm.size), dimm.mega_transfers_per_second), "SMBIOS");
}

void add_processor(const Host& host, Rows& rows) {
  const auto& cpu = host.cpu;
  rows.begin("Processor");
  rows.fact("model", cpu.model, "--cpu-model");
  rows.fact("physical cores", cpu.physical_cores, "--cores");
  rows.fact("logical CPUs online", cpu.logical_online, "--cpus");
  rows.known("packages", cpu.packages);
  if (cpu.kinds.size() > 1)
    for (const auto& kind : cpu.kinds)
      rows.add("kind",
               fmt::format(
                   "{} {} cores{}", kind.cores, kind.name,
                   kind.max_megahertz.known() ? fmt::format(", {:.0f} MHz", *kind.max_megahertz.value) : ""),
               kind.max_megahertz.source);
  rows.known("quota in cores", host.limits.cpu_quota_cores);
  const auto flags = cpu.avx512_flags();
  if (host.platform.machine.value_or("x86_64") == "x86_64")
    rows.add("AVX-512",
             !cpu.isa.known() ? "unknown (--isa supplies it)"
             : flags.empty()  ? "no"
                              : fmt::format("yes: {}", joined(flags, " ")),
             cpu.isa.source);
  if (cpu.isa.known()) {
    std::vector<std::string> others;
    std::copy_if(cpu.isa.value->begin(), cpu.isa.value->end(), std::back_inserter(others),
                 [](const std::string& flag) { return !flag.starts_with("avx512"); });
    rows.add("other instruction sets", others.empty() ? "none that matter" : joined(others, " "),
             cpu.isa.source);
  }
  for (const auto& cache : cpu.caches)
    rows.add(fmt::format("L{} {} cache", cache.level, cache.type),
             fmt::format("{} x {}", cache.instances,
                         cache.size.known() ? size_text(*cache.size.value) : "unknown size"),
             cache.size.source);
}

void add_nodes(const Host& host, Rows& rows) {
  rows.begin("NUMA");
  rows.add("nodes", std::to_string(host.numa.size()));
  if (host.numa.size() < 2) return;
  for (const auto& node : host.numa)
    rows.add(
        fmt::format("node {}", node.id),
        fmt::format("{}{}, CPUs {}{}", node.total.known() ? size_text(*node.total.value) : "unknown size",
                    node.free.known() ? fmt::format(" ({} free)", size_text(*node.free.value)) : "",
                    ranges(node.cpus), node.kind == "dram" ? "" : ", " + node.kind),
        node.total.source);
}

void add_devices(const Host& host, Rows& rows) {
  rows.begin("GPUs");
  if (host.gpus.empty()) rows.add("GPUs", "none found (--gpu describes one)");
  for (const auto& gpu : host.gpus)
    rows.add(gpu.name,
             fmt::format(
                 "{}{}{}", gpu.memory_total.known() ? size_text(*gpu.memory_total.value) : "unknown memory",
                 gpu.memory_free.known() ? fmt::format(" ({} free)", size_text(*gpu.memory_free.value)) : "",
                 gpu.unified ? ", shared with the system: not added to RAM" : ""),
             gpu.memory_total.source);
  rows.begin("Storage");
  for (const auto& storage : host.storage) {
    rows.add("folder", storage.path);
    rows.fact("kind", storage.kind, "--storage");
    rows.fact("device", storage.device);
    rows.fact("file system", storage.filesystem);
    rows.fact("free", storage.free, "--storage-free");
    rows.known("read rate", storage.read_rate);
  }
  rows.begin("Platform");
  rows.fact("system", host.platform.os);
  rows.fact("kernel", host.platform.kernel);
  rows.fact("architecture", host.platform.machine);
  rows.add("virtual machine",
           host.platform.virtualization.known() ? *host.platform.virtualization.value : "no sign of one",
           host.platform.virtualization.source);
  rows.add("container", host.platform.container.known() ? *host.platform.container.value : "no sign of one",
           host.platform.container.source);
}

void add_benchmarks(const Host& host, Rows& rows) {
  rows.begin("Measured");
  for (const auto& result : host.benchmarks) {
    const double giga = 1e9;
    const char* unit = result.unit == "bytes_per_second" ? "GB/s" : "Gop/s";
    rows.add(result.name,
             fmt::format("{:.1f} {} ({}, {} pinned, spread {:.0f} %, {})", result.median / giga, unit,
                         result.detail, result.threads, result.spread * 100, result.confidence));
  }
}

Rows rows_of(const Host& host) {
  Rows rows;
  add_memory(host, rows);
  add_processor(host, rows);
  add_nodes(host, rows);
  add_devices(host, rows);
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
  return fmt::format("{}up to {} for models{}, bound by {}.", level, size_text(*effective.memory.value),
                     threads, effective.bound_by);
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
    page += fmt::format("Warning: {}. {}\n", warning.message, warning.remedy);
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
    page += "\n--explain shows where each fact comes from; a flag named after a fact overrides it.\n";
  return page;
}

std::string host_markdown(const Host& host, const std::optional<Tier>& tier) {
  std::string page = "**" + verdict(host, tier) + "**\n\n" + tier_lines(tier, "\n\n");
  for (const auto& warning : host.warnings)
    page += fmt::format("- Warning: {}. {}\n", warning.message, warning.remedy);
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
