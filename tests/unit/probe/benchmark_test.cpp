#include "llmsize/probe/benchmark.hpp"

#include <catch2/catch.hpp>

using namespace llmsize;
using namespace llmsize::probe;

namespace {

Host machine(Bytes cache, Bytes room) {
  Host host;
  host.cpu.last_level_cache = reported(cache, "test");
  host.effective.memory = derived(room, "test");
  host.cpu.cores = {{0, 4}, {1, 5}, {2, 6}, {3, 7}};
  host.limits.allowed_cpus = reported(std::vector<int>{1, 2, 3, 4, 5}, "test");
  return host;
}

/// Answers with rates that the test wrote.
class WrittenBenchmarks final : public Benchmarks {
 public:
  std::vector<double> rates;
  [[nodiscard]] Result<std::vector<double>> read_memory(const MemoryReading&) const override { return rates; }
  [[nodiscard]] Result<std::vector<double>> compute(ComputeLoop, const std::vector<int>&,
                                                    int) const override {
    return rates;
  }
  [[nodiscard]] Result<std::vector<double>> read_storage(const StorageReading&, bool& direct) const override {
    direct = false;
    return rates;
  }
};

}  // namespace

TEST_CASE("the buffer is four times the cache, within a quarter of the room") {
  CHECK(benchmark_buffer(machine(mebibytes(32), gibibytes(20))).size == mebibytes(128));
  CHECK_FALSE(benchmark_buffer(machine(mebibytes(32), gibibytes(20))).capped);
  const auto capped = benchmark_buffer(machine(mebibytes(512), gibibytes(4)));
  CHECK(capped.size == gibibytes(1));
  CHECK(capped.capped);
}

TEST_CASE("one CPU of each allowed core works") {
  CHECK(benchmark_cpus(machine(mebibytes(1), gibibytes(1))) == std::vector<int>{4, 1, 2, 3});
}

TEST_CASE("the median and the spread decide the confidence") {
  const auto steady = summarize("n", "u", "", 1, {10, 10.5, 9.9, 10.2, 10.1}, false);
  CHECK(steady.median == Approx(10.1));
  CHECK(steady.spread == Approx(0.6 / 10.1));
  CHECK(steady.confidence == "good");
  CHECK(summarize("n", "u", "", 1, {10, 12}, false).confidence == "low_confidence");
  CHECK(summarize("n", "u", "", 1, {10, 10}, true).confidence == "cache_influenced");
  CHECK(summarize("n", "u", "", 1, {}, false).confidence == "low_confidence");
}

TEST_CASE("a rate beyond the theoretical one is warned about") {
  Host host = machine(mebibytes(32), gibibytes(20));
  host.memory.bandwidth = derived(BytesPerSecond(50e9), "test");
  WrittenBenchmarks benchmarks;
  benchmarks.rates = {60e9, 60e9, 60e9};
  REQUIRE(run_benchmarks(benchmarks, {true, false, false, "", 1}, host, [](const std::string&) {}));
  CHECK(host.benchmarks.size() == 3);
  REQUIRE(host.warnings.size() == 1);
  CHECK(host.warnings[0].message == "memory reads at 120 % of the theoretical bandwidth");
}

TEST_CASE("a storage rate through the page cache says so") {
  Host host;
  host.storage.emplace_back();
  WrittenBenchmarks benchmarks;
  benchmarks.rates = {2e9};
  CHECK_FALSE(
      run_benchmarks(benchmarks, {false, false, true, "", 1}, host, [](const std::string&) {}).has_value());
  REQUIRE(run_benchmarks(benchmarks, {false, false, true, "model.gguf", 1}, host, [](const std::string&) {}));
  CHECK(host.benchmarks[0].confidence == "cache_influenced");
  CHECK(host.storage[0].read_rate.basis == Basis::measured);
}
