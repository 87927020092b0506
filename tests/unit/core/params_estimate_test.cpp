#include "llmsize/core/params_estimate.hpp"

#include <catch2/catch.hpp>

using namespace llmsize;

namespace {

ParamsNeighbour neighbour(const char* id, std::int64_t total, std::int64_t bytes, std::int64_t context) {
  return {id, ParamCount(total), std::nullopt, Bytes(bytes), Bytes(bytes), Bytes(context)};
}

}  // namespace

TEST_CASE("an unknown model's weights follow its neighbours' bytes per parameter") {
  const auto estimate = estimate_from_params(
      {ParamCount(1'000), std::nullopt},
      {neighbour("a", 900, 450, 100), neighbour("b", 1'100, 550, 100), neighbour("c", 2'000, 1'000, 100)});
  REQUIRE(estimate.has_value());
  CHECK(estimate->weights.size == Bytes(500));
  CHECK(estimate->weights.low < Bytes(500));
  CHECK(estimate->weights.high > Bytes(500));
  CHECK(estimate->neighbours == std::vector<std::string>{"b", "a", "c"});
}

TEST_CASE("context memory is scaled with the square root of the size") {
  // Four times the size, twice the cache.
  const auto estimate = estimate_from_params(
      {ParamCount(4'000), std::nullopt},
      {neighbour("a", 1'000, 500, 300), neighbour("b", 1'000, 500, 300), neighbour("c", 1'000, 500, 300)});
  CHECK(estimate->context.size == Bytes(600));
  CHECK(estimate->context.low == Bytes(400));   // 600 / 1.5
  CHECK(estimate->context.high == Bytes(900));  // 600 * 1.5
}

TEST_CASE("an estimate needs a size and neighbours") {
  CHECK(estimate_from_params({ParamCount(1), std::nullopt}, {}).error().code == ErrorCode::unsupported);
  CHECK(estimate_from_params({ParamCount(0), std::nullopt}, {}).error().code == ErrorCode::usage);
  const std::vector<ParamsNeighbour> three(3, neighbour("a", 1, 1'000'000'000'000'000'000, 1));
  CHECK(estimate_from_params({ParamCount(1'000), std::nullopt}, three).error().code == ErrorCode::overflow);
}

TEST_CASE("names state a size, and mixtures their active part") {
  const auto both = params_in_name("Qwen9-235B-A22B-Instruct");
  REQUIRE(both.has_value());
  CHECK(both->total == ParamCount(235'000'000'000));
  CHECK(both->active == ParamCount(22'000'000'000));
  CHECK(params_in_name("somewhat-1.7b")->total == ParamCount(1'700'000'000));
  CHECK_FALSE(params_in_name("somewhat-1.7b")->active.has_value());
  CHECK(params_in_name("small_270M.Q8_0")->total == ParamCount(270'000'000));
  CHECK(params_in_name("llama-3.1-8b")->total == ParamCount(8'000'000'000));
  CHECK(params_in_name("qwen:0.5b")->total == ParamCount(500'000'000));
  CHECK(params_in_name("kimi-1t")->total == ParamCount(1'000'000'000'000));
}

TEST_CASE("a name without one plain size states none") {
  for (const char* name : {"", "mistral", "mixtral-8x7B", "a22b", "3b-of-7b", "gpt-4", "5bits", "0b", "9e99b",
                           "12b-a13b", "99999999999999999999b"}) {
    INFO(name);
    CHECK_FALSE(params_in_name(name).has_value());
  }
}
