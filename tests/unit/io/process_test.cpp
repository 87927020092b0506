#include "llmsize/io/process.hpp"

#include <chrono>

#include <catch2/catch.hpp>

#include "llmsize/io/system_calls.hpp"

using namespace llmsize;
using llmsize::io::LocalSystem;
using llmsize::io::ProcessRunner;

TEST_CASE("a program's output and exit status come back, without a shell in between") {
  const auto output = ProcessRunner().run({"printf", "%s", "$HOME; a"}, 60);
  REQUIRE(output);
  CHECK(output->standard_output == "$HOME; a");
  CHECK(output->exit_status == 0);
  CHECK(ProcessRunner().run({"false"}, 60)->exit_status == 1);
  CHECK(ProcessRunner().run({"llmsize-no-such-program"}, 60).error().code == ErrorCode::not_found);
}

TEST_CASE("a program that takes too long is stopped, also after closing its output") {
  const auto start = std::chrono::steady_clock::now();
  CHECK_FALSE(ProcessRunner().run({"sleep", "600"}, 0.05).has_value());
  CHECK_FALSE(ProcessRunner().run({"sh", "-c", "exec >&-; exec sleep 600"}, 0.05).has_value());
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
}

TEST_CASE("a program that prints without end is stopped") {
  CHECK_FALSE(ProcessRunner().run({"yes"}, 60).has_value());
}

TEST_CASE("asking one CPU leaves this thread free to run on all that it could") {
  const LocalSystem system;
  const auto before = system.affinity();
  REQUIRE(before);
  const auto there = system.processor().cpuid_on(before->front(), 0, 0);
  CHECK(there.has_value() == system.processor().cpuid(0, 0).has_value());
  CHECK(system.affinity() == before);
  CHECK_FALSE(system.processor().cpuid_on(-1, 0, 0).has_value());
}

TEST_CASE("what is no graphics device has no memory regions") {
  const LocalSystem system;
  for (const char* driver : {"i915", "xe", "nouveau", ""}) {
    CHECK_FALSE(system.memory_regions("/dev/null", driver).has_value());
    CHECK_FALSE(system.memory_regions("/nonexistent", driver).has_value());
  }
}
