#include "llmsize/cli/device_options.hpp"

#include <catch2/catch.hpp>

using namespace llmsize;
using namespace llmsize::cli;

TEST_CASE("GPUs are named by size, by name, by count, or all three") {
  const auto sizes = parse_gpus("24GiB,48GiB").value();
  REQUIRE(sizes.size() == 2);
  CHECK(sizes[1].memory == gibibytes(48));
  CHECK(sizes[1].name.empty());
  const auto named = parse_gpus("2x RTX 4090, 3 x 12").value();
  REQUIRE(named.size() == 2);
  CHECK(named[0].count == 2);
  CHECK(named[0].name == "RTX 4090");
  CHECK_FALSE(named[0].memory);
  CHECK(named[1].count == 3);
  CHECK(named[1].memory == gibibytes(12));
  const auto resized = parse_gpus("Apple M2 Max=48GiB").value();
  CHECK(resized[0].name == "Apple M2 Max");
  CHECK(resized[0].memory == gibibytes(48));
}

TEST_CASE("What names no GPU is refused") {
  for (const char* text : {"", ",", "2x", "0x RTX 4090", "17x 24GiB", "9x 24GiB,8x 24GiB", "RTX 4090=much"})
    CHECK_FALSE(parse_gpus(text).has_value());
}
