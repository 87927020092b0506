#include "llmsize/probe/benchmark.hpp"

#include <algorithm>
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

std::vector<int> first_of(const std::vector<int>& cpus, std::size_t count) {
  return {cpus.begin(), cpus.begin() + static_cast<std::ptrdiff_t>(std::min(count, cpus.size()))};
}

void compare_with_theory(Host& host, const BenchmarkResult& all) {
  if (!host.memory.bandwidth.known()) return;
  const double share = all.median / host.memory.bandwidth.value->per_second();
  if (share >= lowest_share && share <= highest_share) return;
  host.warnings.push_back({fmt::format("memory reads at {:.0f} % of the theoretical bandwidth", share * 100),
                           share < lowest_share
                               ? "Check that every memory channel is filled and that nothing else runs."
                               : "The theoretical value is wrong: --bandwidth corrects it."});
}

Result<void> measure_memory(const Benchmarks& benchmarks, Host& host,
                            const std::function<void(const std::string&)>& progress) {
  const auto cpus = benchmark_cpus(host);
  const BufferSize buffer = benchmark_buffer(host);
  for (const std::size_t count :
       std::set<std::size_t>{1, std::max<std::size_t>(1, cpus.size() / 2), cpus.size()}) {
    const std::string detail =
        count == cpus.size() ? "every core, local memory" : fmt::format("{} of {} cores", count, cpus.size());
    progress(fmt::format("memory: {}, {}", detail, size_text(buffer.size)));
    auto rates = benchmarks.read_memory({first_of(cpus, count), buffer.size, repetitions});
    if (!rates) return tl::unexpected(rates.error());
    host.benchmarks.push_back(summarize("memory.read", byte_rate, detail, static_cast<int>(count),
                                        std::move(*rates), buffer.capped));
  }
  compare_with_theory(host, host.benchmarks.back());
  return {};
}

Result<void> measure_compute(const Benchmarks& benchmarks, Host& host,
                             const std::function<void(const std::string&)>& progress) {
  const auto cpus = benchmark_cpus(host);
  progress("compute: 32-bit multiply-add");
  auto rates = benchmarks.compute(ComputeLoop::float_multiply_add, cpus, repetitions);
  if (!rates) return tl::unexpected(rates.error());
  host.benchmarks.push_back(summarize("compute.f32_multiply_add", "operations_per_second",
                                      "every core, in registers", static_cast<int>(cpus.size()),
                                      std::move(*rates), false));
  return {};
}

Result<void> measure_storage(const Benchmarks& benchmarks, const BenchmarkRequest& request, Host& host,
                             const std::function<void(const std::string&)>& progress) {
  if (request.file.empty())
    return fail(ErrorCode::usage, "the storage benchmark needs a large file to read",
                "Name one, such as a model, with --bench-file.");
  double best = 0;
  for (const int in_flight : {1, 8}) {
    progress(fmt::format("storage: {} in flight", in_flight));
    bool direct = false;
    auto rates = benchmarks.read_storage({request.file, gibibytes(1), in_flight, request.seconds}, direct);
    if (!rates) return tl::unexpected(rates.error());
    auto result =
        summarize("storage.read", byte_rate,
                  fmt::format("{} in flight{}", in_flight, direct ? "" : ", through the page cache"),
                  in_flight, std::move(*rates), false);
    if (!direct) result.confidence = "cache_influenced";
    best = std::max(best, result.median);
    host.benchmarks.push_back(std::move(result));
  }
  if (!host.storage.empty())
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

Result<void> run_benchmarks(const Benchmarks& benchmarks, const BenchmarkRequest& request, Host& host,
                            const std::function<void(const std::string&)>& progress) {
  if (request.memory)
    if (auto done = measure_memory(benchmarks, host, progress); !done) return done;
  if (request.compute)
    if (auto done = measure_compute(benchmarks, host, progress); !done) return done;
  if (request.storage)
    if (auto done = measure_storage(benchmarks, request, host, progress); !done) return done;
  return {};
}

}  // namespace llmsize::probe
