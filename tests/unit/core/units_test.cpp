#include "llmsize/core/units.hpp"

#include <catch2/catch.hpp>

using namespace llmsize;

TEST_CASE("Sums and products that leave 64 bits saturate and stay saturated") {
  const Bytes huge(Bytes::highest - 1);
  CHECK((huge + Bytes(2)).is_saturated());
  CHECK((huge * 2).is_saturated());
  CHECK(((huge * 2) - Bytes(5)).is_saturated());
  CHECK_FALSE((Bytes(5) - Bytes(7)).is_saturated());
  CHECK((Bytes(5) - Bytes(7)).value() == -2);
}

TEST_CASE("Aligning rounds up to whole multiples and keeps aligned sizes") {
  CHECK(align_up(Bytes(0), 32) == Bytes(0));
  CHECK(align_up(Bytes(1), 32) == Bytes(32));
  CHECK(align_up(Bytes(64), 32) == Bytes(64));
}
