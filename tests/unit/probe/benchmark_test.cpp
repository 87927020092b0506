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

/// Answers with rates that the test wrote, and remembers what was asked.
class WrittenBenchmarks final : public Benchmarks {
 public:
  MeasuredRates rates;
  bool has_brain_float = true, interleaves = true;
  mutable std::vector<MemoryReading> readings;
  [[nodiscard]] Result<MeasuredRates> read_memory(const MemoryReading& reading) const override {
    readings.push_back(reading);
    if (!reading.interleave_nodes.empty() && !interleaves) return fail(ErrorCode::unsupported, "no policy");
    return rates;
  }
  [[nodiscard]] Result<MeasuredRates> compute(const ComputeReading& reading) const override {
    if (reading.loop == ComputeLoop::brain_float_dot_product && !has_brain_float)
      return fail(ErrorCode::unsupported, "none");
    return rates;
  }
  [[nodiscard]] Result<MeasuredRates> read_storage(const StorageReading&) const override { return rates; }
};

NumaNode node(int id, std::vector<int> cpus) {
  NumaNode result;
  result.id = id;
  result.cpus = std::move(cpus);
  result.total = reported(gibibytes(8), "test");
  result.kind = derived(std::string("dram"), "");
  return result;
}

const auto quiet = [](const std::string&) {};

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

TEST_CASE("measurements beside other programs are warned about") {
  CHECK(busy_warning("2.31 1.20 0.80 3/120 4242\n")->message.find("2.3 CPUs") != std::string::npos);
  for (const char* quiet_or_unknown : {"0.04 1.20 0.80 1/120 4242\n", "", "nan"})
    CHECK_FALSE(busy_warning(quiet_or_unknown).has_value());
}

TEST_CASE("a rate beyond the theoretical one is warned about") {
  Host host = machine(mebibytes(32), gibibytes(20));
  host.memory.bandwidth = derived(BytesPerSecond(50e9), "test");
  WrittenBenchmarks benchmarks;
  benchmarks.rates.per_second = {60e9, 60e9, 60e9};
  REQUIRE(run_benchmarks(benchmarks, {true, false, false, "", 1}, host, quiet));
  CHECK(host.benchmarks.size() == 3);
  REQUIRE(host.warnings.size() == 1);
  CHECK(host.warnings[0].message == "memory reads at 120 % of the theoretical bandwidth");
  CHECK(host.memory.measured_bandwidth.value->per_second() == 60e9);
  CHECK(host.memory.measured_bandwidth.basis == Basis::measured);
}

TEST_CASE("a buffer that a cache could hold measures no memory") {
  Host host = machine(mebibytes(512), gibibytes(4));
  WrittenBenchmarks benchmarks;
  benchmarks.rates.per_second = {60e9, 60e9, 60e9};
  REQUIRE(run_benchmarks(benchmarks, {true, false, false, "", 1}, host, quiet));
  CHECK(host.benchmarks.back().confidence == "cache_influenced");
  CHECK_FALSE(host.memory.measured_bandwidth.known());
}

TEST_CASE("several nodes are read each by itself and interleaved") {
  Host host = machine(mebibytes(32), gibibytes(20));
  host.numa = {node(0, {0, 1, 4, 5}), node(1, {2, 3, 6, 7}), node(2, {})};
  WrittenBenchmarks benchmarks;
  benchmarks.rates.per_second = {60e9};
  REQUIRE(run_benchmarks(benchmarks, {true, false, false, "", 1}, host, quiet));
  REQUIRE(benchmarks.readings.size() == 6);
  CHECK(benchmarks.readings[3].cpus == std::vector<int>{4, 1});
  CHECK(benchmarks.readings[4].cpus == std::vector<int>{2, 3});
  CHECK(benchmarks.readings[5].interleave_nodes == std::vector<int>{0, 1});
  CHECK(benchmarks.readings[5].cpus.size() == 4);

  benchmarks.interleaves = false;
  CHECK(run_benchmarks(benchmarks, {true, false, false, "", 1}, host, quiet).has_value());
}

TEST_CASE("loops that the processor lacks are left out") {
  Host host = machine(mebibytes(32), gibibytes(20));
  WrittenBenchmarks benchmarks;
  benchmarks.rates.per_second = {1e12};
  benchmarks.rates.how = "AVX2";
  benchmarks.has_brain_float = false;
  REQUIRE(run_benchmarks(benchmarks, {false, true, false, "", 1}, host, quiet));
  REQUIRE(host.benchmarks.size() == 3);
  CHECK(host.benchmarks[0].name == "compute.int8_dot");
  CHECK(host.benchmarks[0].detail == "every core, in registers, AVX2");
}

TEST_CASE("a storage rate through the page cache says so and is not kept") {
  Host host;
  host.storage.emplace_back();
  WrittenBenchmarks benchmarks;
  benchmarks.rates = {{2e9}, "through the page cache, which held 3 % of it", true};
  CHECK_FALSE(run_benchmarks(benchmarks, {false, false, true, "", 1}, host, quiet).has_value());
  REQUIRE(run_benchmarks(benchmarks, {false, false, true, "model.gguf", 1}, host, quiet));
  CHECK(host.benchmarks[0].confidence == "cache_influenced");
  CHECK_FALSE(host.storage[0].read_rate.known());
  benchmarks.rates = {{2e9}, "direct reads", false};
  REQUIRE(run_benchmarks(benchmarks, {false, false, true, "model.gguf", 1}, host, quiet));
  CHECK(host.storage[0].read_rate.basis == Basis::measured);
}
