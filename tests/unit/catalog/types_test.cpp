#include "llmsize/catalog/types.hpp"

#include <catch2/catch.hpp>

using namespace llmsize;

TEST_CASE("The embedded tensor types carry the engine's block layouts") {
  const auto types = catalog::load_tensor_types(catalog::Catalog::embedded());
  REQUIRE(types);
  // 144 bytes for 256 weights: two half-precision scales, 12 bytes of 6-bit scales, 128 bytes of 4-bit
  // values.
  REQUIRE(types->find("q4_K") != nullptr);
  CHECK(types->find("Q4_k")->layout() == BlockLayout{256, 144});
  CHECK(types->find(8)->name() == "q8_0");
  CHECK(types->find("q9") == nullptr);
}
