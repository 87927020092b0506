#include "llmsize/core/guide.hpp"

#include <catch2/catch.hpp>

using namespace llmsize;

namespace {

// The factors that the two guides print (seeds 001 and 002).
GuideFactors printed_factors() {
  GuideFactors f;
  f.size_overhead = 1.1;
  f.os_reserve = gibibytes(16);
  f.safety_share = 0.15;
  f.hot_share = 0.1;
  f.kv_bytes = Bytes(2'000'000'000);
  f.kv_tokens = TokenCount(8192);
  f.framework_overhead = Bytes(500'000'000);
  f.mock_below = gibibytes(32);
  return f;
}

double gib(Bytes size) {
  return static_cast<double>(size.value()) / static_cast<double>(gibibytes(1).value());
}

std::vector<SizeTier> printed_size_tiers() {
  const ParamCount billion(1'000'000'000);
  return {{"micro", "Micro", ParamCount(125'000'000), billion * 3, "", "", false},
          {"editor", "Editor", billion * 7, billion * 14, "", "", false},
          {"architect", "Architect", billion * 70, std::nullopt, "", "", true},
          {"thinking", "Thinking", std::nullopt, std::nullopt, "", "", true}};
}

}  // namespace

TEST_CASE("The guide's size formula gives its four examples before rounding") {
  const auto f = printed_factors();
  // Printed ~4, ~18, ~130 and ~265 GB: the last two are rounded up from 129.25 and 264.
  CHECK(guide_model_size(ParamCount(7'000'000'000), 0.5, f) == Bytes(3'850'000'000));
  CHECK(guide_model_size(ParamCount(32'000'000'000), 0.5, f) == Bytes(17'600'000'000));
  CHECK(guide_model_size(ParamCount(235'000'000'000), 0.5, f) == Bytes(129'250'000'000));
  CHECK(guide_model_size(ParamCount(480'000'000'000), 0.5, f) == Bytes(264'000'000'000));
}

TEST_CASE("The guide's budget calculator diverges from its printed table where that rounds down or drifts") {
  struct Row {
    std::int64_t ram;
    double available, hot, warm;
  };
  // By hand from the guide's Python: 0.85 * RAM - 16, a tenth, the rest. Printed 38/4/34, 93/9/84,
  // 202/20/182, 420/42/378 and 854/85/769.
  const Row rows[] = {{64, 38.4, 3.84, 34.56},
                      {128, 92.8, 9.28, 83.52},
                      {256, 201.6, 20.16, 181.44},
                      {512, 419.2, 41.92, 377.28},
                      {1024, 854.4, 85.44, 768.96}};
  for (const auto& row : rows) {
    const auto budget = guide_budget(gibibytes(row.ram), printed_factors());
    CHECK(gib(budget.available) == Approx(row.available));
    CHECK(gib(budget.hot) == Approx(row.hot));
    CHECK(gib(budget.warm) == Approx(row.warm));
  }
}

TEST_CASE("The guide's budget is negative at 16 GB, and the default reserve is not") {
  const auto f = printed_factors();
  CHECK(gib(guide_budget(gibibytes(16), f).available) == Approx(-2.4));
  CHECK(default_os_reserve(gibibytes(16), f) == gibibytes(4));
  CHECK(default_os_reserve(gibibytes(64), f) == gibibytes(16));
  CHECK(default_os_reserve(gibibytes(512), f) == gibibytes(16));
}

TEST_CASE("RAM grows by what models need more, the margin's share and the growing reserve") {
  const auto f = printed_factors();
  const auto budget_of = [&](Bytes total) {
    const Bytes safety(std::llround(static_cast<double>(total.value()) * f.safety_share));
    return split_budget(total, default_os_reserve(total, f), safety, f);
  };
  // Across the size from which the reserve stays the same, and away from it.
  for (const std::int64_t total : {8, 40, 60, 64, 256}) {
    const MemoryBudget budget = budget_of(gibibytes(total));
    for (const std::int64_t extra : {1, 5, 90}) {
      const Bytes growth = growth_for(budget, gibibytes(extra), true, f);
      const MemoryBudget grown = budget_of(gibibytes(total) + growth);
      CHECK(std::abs((grown.available - budget.available - gibibytes(extra)).value()) <= 4);
    }
  }
  // A reserve that was measured or stated stays: only the margin takes its 15 %.
  CHECK(gib(growth_for(budget_of(gibibytes(32)), gibibytes(17), false, f)) == Approx(20.0));
  CHECK(growth_for(budget_of(gibibytes(32)), Bytes(0), true, f) == Bytes(0));
}

TEST_CASE("The guide's 2,048-token gate takes half a gigabyte by its own rule, not the printed one") {
  const auto f = printed_factors();
  CHECK(guide_kv_cache(TokenCount(2048), f) == Bytes(500'000'000));
  CHECK(guide_context_gate(Bytes(4'000'000'000), f) == TokenCount(16384));
  CHECK(guide_context_gate(Bytes(-1), f) == TokenCount(0));
}

TEST_CASE("The VRAM checklist leaves 2.5 GB of 12 with the printed parts, 3 GB with the rule's own") {
  const auto check =
      guide_vram_check(Bytes(8'000'000'000), TokenCount(2048), Bytes(12'000'000'000), printed_factors());
  CHECK(check.headroom == Bytes(3'000'000'000));
  CHECK(check.fits());
}

TEST_CASE("Sizes that the second guide leaves out fall between its tiers") {
  const auto tiers = printed_size_tiers();
  const auto tier = [&](double billions) {
    return size_tier_text(ParamCount(static_cast<std::int64_t>(billions * 1e9)), tiers);
  };
  CHECK(tier(0.1) == "below Micro");
  CHECK(tier(3.1) == "Micro");
  CHECK(tier(4.0) == "between Micro and Editor");
  CHECK(tier(7.6) == "Editor");
  CHECK(tier(14.8) == "Editor");
  CHECK(tier(32.8) == "between Editor and Architect");
  CHECK(tier(70.6) == "Architect");
  CHECK(tier(671) == "Architect");
}

TEST_CASE("Sizes that no machine has saturate instead of wrapping") {
  CHECK(guide_model_size(ParamCount(Bytes::highest), 2.0, printed_factors()).is_saturated());
}
