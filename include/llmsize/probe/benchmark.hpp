#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llmsize/core/host.hpp"
#include "llmsize/ports/benchmarks.hpp"

namespace llmsize::probe {

/// What to measure.
struct BenchmarkRequest {
  bool memory = false, compute = false, storage = false;
  std::string file;      ///< For storage.
  double seconds = 1.5;  ///< At most about this long for each measurement.
};

/// How much to read: four times the last-level cache, so that the cache cannot answer, but no more than a
/// quarter of the room; `capped` where that quarter decided.
struct BufferSize {
  Bytes size;
  bool capped = false;
};
BufferSize benchmark_buffer(const Host& host);

/// One logical CPU of each allowed physical core.
std::vector<int> benchmark_cpus(const Host& host);

/// Median, spread and the confidence word of repeated rates: "cache_influenced" where the buffer was capped,
/// "low_confidence" where (highest - lowest) / median exceeds 15 %, else "good".
BenchmarkResult summarize(std::string name, std::string unit, std::string detail, int threads,
                          std::vector<double> repetitions, bool capped);

/// The memory bandwidth that a reading with every core stands for; unknown where a cache may have answered.
Fact<BytesPerSecond> measured_bandwidth_of(const BenchmarkResult& every_core);

/// What to say where other programs kept CPUs busy in the last minute, as /proc/loadavg tells; nothing else.
std::optional<HostWarning> busy_warning(std::string_view loadavg);

/// Runs what is requested and adds the results to the host, with warnings where they do not agree with the
/// theoretical bandwidth. `progress` is told what is being measured.
Result<void> run_benchmarks(const Benchmarks& benchmarks, const BenchmarkRequest& request, Host& host,
                            const std::function<void(const std::string&)>& progress);

}  // namespace llmsize::probe
