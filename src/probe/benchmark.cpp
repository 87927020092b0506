#include "llmsize/probe/benchmark.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <set>

#include <fmt/format.h>

#include "llmsize/core/text.hpp"

namespace llmsize::probe {
namespace {

constexpr int repetitions = 5;
constexpr double highest_spread = 0.15;
/// Outside this part of the theoretical bandwidth something is wrong: with the modules, the limits or the
/// clock.
constexpr double lowest_share = 0.40, highest_share = 1.0;
constexpr const char* byte_rate = "bytes_per_second";
constexpr double loop_seconds = 0.1;

std::vector<int> first_of(const std::vector<int>& cpus, std::size_t count) {
  return {cpus.begin(), cpus.begin() + static_cast<std::ptrdiff_t>(std::min(count, cpus.size()))};
}

void compare_with_theory(Host& host, const BenchmarkResult& all) {
  if (!host.memory.bandwidth.known()) return;
  const double share = all.median / host.memory.bandwidth.value->per_second();
  if (share >= lowest_share && share <= highest_share) return;
  host.warnings.push_back(
      {fmt::format("memory reads at {:.0f} % of the theoretical bandwidth", share * 100),
       share >= lowest_share ? "The theoretical value is wrong: --bandwidth corrects it."
       : host.platform.virtualization.known()
           ? "A virtual machine has a share of its host's bandwidth: --save keeps what it is."
           : "Check that every memory channel is filled and that nothing else runs."});
}

using Progress = std::function<void(const std::string&)>;

/// CPUs of `cpus` on one node.
std::vector<int> on_node(const std::vector<int>& cpus, const NumaNode& node) {
  std::vector<int> there;
  std::copy_if(cpus.begin(), cpus.end(), std::back_inserter(there),
               [&](int cpu) { return std::binary_search(node.cpus.begin(), node.cpus.end(), cpu); });
  return there;
}

/// The memory readings to time: one, half and all cores; then each node by itself and all nodes interleaved.
/// The one with every core comes last of the first group.
struct PlannedReading {
  std::string name, detail;
  MemoryReading reading;
};

std::vector<PlannedReading> planned_readings(const Host& host, const BenchmarkRequest& request,
                                             Bytes buffer) {
  const auto cpus = benchmark_cpus(host);
  std::vector<PlannedReading> planned;
  const auto add = [&](const char* name, std::string detail, std::vector<int> of, std::vector<int> nodes) {
    planned.push_back(
        {name, std::move(detail), {std::move(of), buffer, repetitions, request.seconds, std::move(nodes)}});
  };
  for (const std::size_t count :
       std::set<std::size_t>{1, std::max<std::size_t>(1, cpus.size() / 2), cpus.size()})
    add("memory.read",
        count == cpus.size() ? "every core, local memory" : fmt::format("{} of {} cores", count, cpus.size()),
        first_of(cpus, count), {});
  std::vector<int> nodes;
  for (const auto& node : host.numa)
    if (!on_node(cpus, node).empty() && node.total.value_or(Bytes()) > Bytes()) nodes.push_back(node.id);
  if (nodes.size() < 2) return planned;
  for (const auto& node : host.numa)
    if (std::find(nodes.begin(), nodes.end(), node.id) != nodes.end())
      add("memory.read_node", fmt::format("node {}, local memory", node.id), on_node(cpus, node), {});
  add("memory.read_interleaved", "every core, memory interleaved over all nodes", cpus, nodes);
  return planned;
}

Result<void> measure_memory(const Benchmarks& benchmarks, const BenchmarkRequest& request, Host& host,
                            const Progress& progress) {
  const BufferSize buffer = benchmark_buffer(host);
  const auto planned = planned_readings(host, request, buffer.size);
  for (const auto& [name, detail, reading] : planned) {
    progress(fmt::format("memory: {}, {}", detail, size_text(buffer.size)));
    auto rates = benchmarks.read_memory(reading);
    if (!rates) {
      // A kernel without NUMA policies still has the readings that need none.
      if (reading.interleave_nodes.empty()) return tl::unexpected(rates.error());
      host.warnings.push_back({rates.error().message, ""});
      continue;
    }
    host.benchmarks.push_back(summarize(name, byte_rate, detail, static_cast<int>(reading.cpus.size()),
                                        std::move(rates->per_second), buffer.capped || rates->cached));
  }
  const auto all = std::find_if(host.benchmarks.rbegin(), host.benchmarks.rend(),
                                [](const BenchmarkResult& r) { return r.name == "memory.read"; });
  if (all == host.benchmarks.rend()) return {};
  host.memory.measured_bandwidth = measured_bandwidth_of(*all);
  compare_with_theory(host, *all);
  return {};
}

struct NamedLoop {
  ComputeLoop loop;
  const char* name;
  const char* progress;
};
constexpr std::array loops = {
    NamedLoop{ComputeLoop::byte_dot_product, "compute.int8_dot", "8-bit dot products"},
    NamedLoop{ComputeLoop::brain_float_dot_product, "compute.bf16_dot", "bf16 dot products"},
    NamedLoop{ComputeLoop::half_multiply_add, "compute.f16_multiply_add", "16-bit multiply-add"},
    NamedLoop{ComputeLoop::float_multiply_add, "compute.f32_multiply_add", "32-bit multiply-add"}};

Result<void> measure_compute(const Benchmarks& benchmarks, Host& host, const Progress& progress) {
  const auto cpus = benchmark_cpus(host);
  bool any = false;
  for (const auto& [loop, name, what] : loops) {
    progress(fmt::format("compute: {}", what));
    auto rates = benchmarks.compute({loop, cpus, repetitions, loop_seconds});
    // Not every processor has every kind of instruction.
    if (!rates) continue;
    any = true;
    host.benchmarks.push_back(summarize(name, "operations_per_second",
                                        fmt::format("every core, in registers, {}", rates->how),
                                        static_cast<int>(cpus.size()), std::move(rates->per_second), false));
  }
  if (!any) return fail(ErrorCode::unsupported, "this build knows no compute loop for this processor");
  return {};
}

Result<void> measure_storage(const Benchmarks& benchmarks, const BenchmarkRequest& request, Host& host,
                             const Progress& progress) {
  if (request.file.empty())
    return fail(ErrorCode::usage, "the storage benchmark needs a large file to read",
                "Name one, such as a model, with --bench-file, or a folder of models with --model-dir.");
  double best = 0;
  bool cached = false;
  for (const int in_flight : {1, 8}) {
    progress(fmt::format("storage: {}, {} in flight", request.file, in_flight));
    auto rates = benchmarks.read_storage(
        {request.file, gibibytes(1), in_flight, std::max(request.seconds, 2.0), repetitions});
    if (!rates) return tl::unexpected(rates.error());
    cached = rates->cached;
    auto result = summarize("storage.read", byte_rate, fmt::format("{} in flight, {}", in_flight, rates->how),
                            in_flight, std::move(rates->per_second), cached);
    best = std::max(best, result.median);
    host.benchmarks.push_back(std::move(result));
  }
  if (!host.storage.empty() && !cached)
    host.storage.front().read_rate = measured(BytesPerSecond(best), "--bench storage");
  return {};
}

}  // namespace

BufferSize benchmark_buffer(const Host& host) {
  constexpr std::int64_t cache_multiple = 4, share_of_room = 4;
  // Where caches are not stated, more than any has.
  constexpr Bytes without_caches = gibibytes(1);
  const Bytes wanted =
      host.cpu.last_level_cache.known() ? *host.cpu.last_level_cache.value * cache_multiple : without_caches;
  const Bytes least = std::max(wanted, mebibytes(64));
  if (!host.effective.memory.known()) return {least, false};
  const Bytes most(host.effective.memory.value->value() / share_of_room);
  return {std::min(least, most), most < least};
}

std::vector<int> benchmark_cpus(const Host& host) {
  std::vector<int> cpus;
  const auto& allowed = host.limits.allowed_cpus;
  for (const auto& core : host.cpu.cores)
    for (const int cpu : core)
      if (!allowed.known() || std::binary_search(allowed.value->begin(), allowed.value->end(), cpu)) {
        cpus.push_back(cpu);
        break;
      }
  return cpus;
}

Fact<BytesPerSecond> measured_bandwidth_of(const BenchmarkResult& every_core) {
  if (every_core.confidence == "cache_influenced")
    return unknown<BytesPerSecond>("the buffer was too small to keep caches out");
  return measured(BytesPerSecond(every_core.median),
                  fmt::format("--bench memory, {} cores ({})", every_core.threads, every_core.confidence));
}

BenchmarkResult summarize(std::string name, std::string unit, std::string detail, int threads,
                          std::vector<double> rates, bool capped) {
  BenchmarkResult result{std::move(name), std::move(unit), std::move(detail), threads, rates, 0, 0,
                         "low_confidence"};
  if (rates.empty()) return result;
  std::sort(rates.begin(), rates.end());
  const std::size_t middle = rates.size() / 2;
  result.median = rates.size() % 2 == 1 ? rates[middle] : (rates[middle - 1] + rates[middle]) / 2;
  result.spread = result.median > 0 ? (rates.back() - rates.front()) / result.median : 0;
  result.confidence = capped                           ? "cache_influenced"
                      : result.spread > highest_spread ? "low_confidence"
                                                       : "good";
  return result;
}

std::optional<HostWarning> busy_warning(std::string_view loadavg) {
  // Half a CPU in the mean of a minute is more than a host's own housekeeping.
  constexpr double idle = 0.5;
  const double busy = std::strtod(std::string(loadavg).c_str(), nullptr);
  if (!(busy > idle)) return std::nullopt;
  return HostWarning{
      fmt::format("other programs kept {:.1f} CPUs busy in the last minute, so measurements may be "
                  "too low",
                  busy),
      "Measure again on an idle host."};
}

Result<void> run_benchmarks(const Benchmarks& benchmarks, const BenchmarkRequest& request, Host& host,
                            const std::function<void(const std::string&)>& progress) {
  if (request.memory)
    if (auto done = measure_memory(benchmarks, request, host, progress); !done) return done;
  if (request.compute)
    if (auto done = measure_compute(benchmarks, host, progress); !done) return done;
  if (request.storage)
    if (auto done = measure_storage(benchmarks, request, host, progress); !done) return done;
  return {};
}

}  // namespace llmsize::probe
