#include "llmsize/io/benchmarks.hpp"

#include <array>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <map>
#include <set>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "io/compute_kernels.hpp"
#include "llmsize/io/timing.hpp"

using namespace llmsize;
using namespace llmsize::io;

TEST_CASE("a repetition lasts from the first worker's start to the last one's end") {
  const Clock::time_point start{};
  const auto at = [&](int seconds) { return start + std::chrono::seconds(seconds); };
  // Neither worker alone took eight seconds, and the one that was waited for last ended first.
  CHECK(seconds_of({{at(1), at(5)}, {at(2), at(9)}}) == Approx(8));
  CHECK(seconds_of({{at(3), at(9)}, {at(1), at(2)}}) == Approx(8));
  CHECK(seconds_of({{at(1), at(1)}}) > 0);
  CHECK(seconds_of({}) > 0);
}

TEST_CASE("no two pages of a filled buffer are alike, and none is zero") {
  constexpr std::size_t page = 4096, pages = 64;
  std::vector<char> data(page * pages);
  fill_with_noise(data.data(), data.size());
  std::set<std::string> seen{std::string(page, '\0')};
  for (std::size_t i = 0; i < pages; ++i) CHECK(seen.insert(std::string(&data[i * page], page)).second);
}

TEST_CASE("every worker prepares once and works in every repetition") {
  std::array<std::atomic<int>, 2> prepared{}, worked{};
  const auto seconds = time_workers(
      {-1, -1}, 4, 60, [&](std::size_t i) { ++prepared[i]; }, [&](std::size_t i, int) { ++worked[i]; });
  CHECK(seconds.size() == 4);
  CHECK(prepared[0] == 1);
  CHECK(prepared[1] == 1);
  CHECK(worked[0] == 4);
  CHECK(worked[1] == 4);
}

TEST_CASE("repetitions end when the time is up, after the first") {
  int worked = 0;
  CHECK(time_workers(
            {-1}, 100, 0, [](std::size_t) {}, [&](std::size_t, int) { ++worked; })
            .size() == 1);
  CHECK(worked == 1);
}

TEST_CASE("memory is read as often as asked, at finite rates") {
  const LocalBenchmarks benchmarks;
  const auto rates = benchmarks.read_memory({{-1, -1}, mebibytes(4), 3, 60, {}});
  REQUIRE(rates);
  CHECK(rates->per_second.size() == 3);
  for (const double rate : rates->per_second) CHECK((rate > 0 && rate < 1e15));
  CHECK_FALSE(benchmarks.read_memory({{}, mebibytes(4), 3, 60, {}}).has_value());
  CHECK_FALSE(benchmarks.read_memory({{-1}, Bytes(), 3, 60, {}}).has_value());
}

TEST_CASE("a compute loop names its instructions and counts all workers") {
  const LocalBenchmarks benchmarks;
  const auto rates = benchmarks.compute({ComputeLoop::float_multiply_add, {-1}, 2, 0.001});
  if (!rates) {
    CHECK(rates.error().code == ErrorCode::unsupported);
    return;
  }
  CHECK_FALSE(rates->how.empty());
  CHECK(rates->per_second.size() == 2);
  CHECK(rates->per_second[0] > 0);
}

TEST_CASE("a compute loop does every operation that it counts") {
  // Twelve sums begin with 0 to 11. Of f to 0.5 f + 0.5 the closed form is 1 + (f - 1) / 2^n; of dot products
  // it is f + n x products x factors, with factors of 3 x 3 or 0.5 x 0.5. AMX has four sums that begin with
  // 0.
  constexpr std::int64_t n = 5;
  constexpr double start = 66, sums = 12, tiles = 4, halved = sums + (start - sums) / 32;
  const std::map<std::string, double> expected = {{"AVX-512 FMA", halved},
                                                  {"AVX2 FMA", halved},
                                                  {"NEON FMA", halved},
                                                  {"AVX-512 FP16", halved},
                                                  {"NEON FP16", halved},
                                                  {"AVX-512 VNNI", start + sums * n * 4 * 9},
                                                  {"AVX-VNNI", start + sums * n * 4 * 9},
                                                  {"AVX2", start + sums * n * 4 * 9},
                                                  {"NEON dot product", start + sums * n * 4 * 9},
                                                  {"NEON i8mm", start + sums * n * 8 * 9},
                                                  {"AVX-512 BF16", start + sums * n * 2 * 0.25},
                                                  {"NEON bf16", start + sums * n * 4 * 0.25},
                                                  {"AMX int8", tiles * n * 64 * 9},
                                                  {"AMX bf16", tiles * n * 32 * 0.25}};
  for (const auto& kernel : compute_kernels()) {
    INFO(kernel.how);
    REQUIRE(expected.count(kernel.how) == 1);
    // Sums of 16 bits are exact to 2^-10 of each.
    if (kernel.is_supported()) CHECK(kernel.run(n) == Approx(expected.at(kernel.how)).epsilon(0.002));
  }
}

TEST_CASE("storage reads a file and refuses what is none or too small") {
  char path[] = "/tmp/llmsize-storage-XXXXXX";
  const int file = ::mkstemp(path);
  REQUIRE(file >= 0);
  const LocalBenchmarks benchmarks;
  CHECK_FALSE(benchmarks.read_storage({path, gibibytes(1), 1, 0.1, 2}).has_value());
  const std::string noise(1U << 20U, 'x');
  for (int i = 0; i < 16; ++i) REQUIRE(::write(file, noise.data(), noise.size()) > 0);
  ::close(file);
  const auto rates = benchmarks.read_storage({path, gibibytes(1), 2, 1, 2});
  std::remove(path);
  REQUIRE(rates);
  CHECK(rates->per_second.size() == 2);
  CHECK_FALSE(rates->how.empty());
  CHECK_FALSE(benchmarks.read_storage({"/tmp", gibibytes(1), 1, 0.1, 2}).has_value());
  CHECK_FALSE(benchmarks.read_storage({"/nonexistent", gibibytes(1), 1, 0.1, 2}).has_value());
}
