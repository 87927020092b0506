#include "llmsize/io/process.hpp"

#include <chrono>

#include <catch2/catch.hpp>

using namespace llmsize;
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
