#include "llmsize/cli/values.hpp"

#include <catch2/catch.hpp>

using namespace llmsize;
using namespace llmsize::cli;

TEST_CASE("Sizes are read in binary and decimal units, and a bare number is GiB") {
  CHECK(parse_size("24").value() == gibibytes(24));
  CHECK(parse_size("24GiB").value() == gibibytes(24));
  CHECK(parse_size("24GB").value() == Bytes(24'000'000'000));
  CHECK(parse_size("512 MiB").value() == mebibytes(512));
  CHECK(parse_size("1.5tib").value() == gibibytes(1536));
}

TEST_CASE("Sizes that are no sizes are refused") {
  for (const char* text :
       {"", "-5", "0", "NaN", "inf", "1e400", "12 parsecs", "GiB", "0x10", "99999999999TiB", "+1"})
    CHECK_FALSE(parse_size(text).has_value());
}

TEST_CASE("k in tokens is 1024, and counts beyond the engine's 32 bits are refused") {
  CHECK(parse_tokens("64k").value() == 65'536);
  CHECK(parse_tokens("8192").value() == 8'192);
  for (const char* text : {"0", "-1", "1.5", "2147483648", "4294967296k", "k"})
    CHECK_FALSE(parse_tokens(text).has_value());
}

TEST_CASE("Bare parameters are billions, and 32000000000 is taken for the slip it is") {
  CHECK(parse_params("32").value() == ParamCount(32'000'000'000));
  CHECK(parse_params("0.5").value() == ParamCount(500'000'000));
  CHECK(parse_params("270M").value() == ParamCount(270'000'000));
  CHECK(parse_params("10000").has_value());
  for (const char* text : {"10001", "32000000000", "0", "-7", "nan", "1e400"})
    CHECK_FALSE(parse_params(text).has_value());
}
