#include "llmsize/core/cpu_name.hpp"

#include <catch2/catch.hpp>

using llmsize::plain_cpu_name;

TEST_CASE("a processor's name loses marks, clock and core count") {
  CHECK(plain_cpu_name("AMD EPYC 7451 24-Core Processor") == "AMD EPYC 7451");
  CHECK(plain_cpu_name("Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz") == "Intel Xeon Gold 6230");
  CHECK(plain_cpu_name("Intel(R) Xeon(R) CPU E5-2680 0 @ 2.70GHz") == "Intel Xeon E5-2680");
  CHECK(plain_cpu_name("Intel(R) Xeon(R) CPU E5-2680 v3 @ 2.50GHz") == "Intel Xeon E5-2680 v3");
  CHECK(plain_cpu_name("13th Gen Intel(R) Core(TM) i9-13900K") == "Intel Core i9-13900K");
  CHECK(plain_cpu_name("AMD Ryzen Threadripper PRO 5995WX 64-Cores") == "AMD Ryzen Threadripper PRO 5995WX");
  CHECK(plain_cpu_name("AMD RYZEN AI MAX+ 395 w/ Radeon 8060S") == "AMD RYZEN AI MAX+ 395");
  CHECK(plain_cpu_name("").empty());
}
