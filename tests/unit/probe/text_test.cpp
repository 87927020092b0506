#include "llmsize/probe/text.hpp"

#include <catch2/catch.hpp>

using namespace llmsize;
using namespace llmsize::probe;

TEST_CASE("a CPU list names single CPUs and ranges") {
  CHECK(parse_cpu_list("0-3,8,10-11\n") == std::vector<int>{0, 1, 2, 3, 8, 10, 11});
  CHECK(parse_cpu_list("\n") == std::vector<int>{});
  CHECK(cpu_list_text({0, 1, 2, 3, 8, 10, 11}) == "0-3,8,10-11");
}

TEST_CASE("a damaged CPU list is no list") {
  for (const char* text : {"0-", "-1", "3-1", "a", "0,,1", "0-4294967295", "0-99999999999999999999", "1;2"})
    CHECK_FALSE(parse_cpu_list(text).has_value());
  CHECK_FALSE(parse_cpu_list(std::string_view("0\0 1", 4)).has_value());
}

TEST_CASE("NUL bytes at the end of a sysfs file do not matter") {
  CHECK(parse_cpu_list(std::string_view("0-1\n\0\0", 6)) == std::vector<int>{0, 1});
  CHECK(parse_cache_size(std::string_view("32K\n\0", 5)) == kibibytes(32));
}

TEST_CASE("a CPU mask is read from the right, 32 bits in a group") {
  CHECK(parse_cpu_mask("00000001,00000003") == std::vector<int>{0, 1, 32});
  CHECK(parse_cpu_mask("ff") == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7});
  CHECK_FALSE(parse_cpu_mask("xyz").has_value());
  CHECK_FALSE(parse_cpu_mask("1,123456789").has_value());
}

TEST_CASE("a cache size that is not stated is unknown") {
  CHECK(parse_cache_size("1M") == mebibytes(1));
  for (const char* text : {"None", "", "K", "-1K", "0K", "9223372036854775807G"})
    CHECK_FALSE(parse_cache_size(text).has_value());
}

TEST_CASE("kB values that do not fit are left out") {
  CHECK(parse_kibibytes("  131072 kB") == mebibytes(128));
  CHECK_FALSE(parse_kibibytes("9223372036854775807 kB").has_value());
  CHECK_FALSE(parse_kibibytes("-4 kB").has_value());
  CHECK_FALSE(parse_kibibytes("4 MB").has_value());
}
