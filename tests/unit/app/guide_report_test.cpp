#include "llmsize/app/guide_report.hpp"

#include <catch2/catch.hpp>

#include "llmsize/catalog/types.hpp"
#include "support/closed_world.hpp"
#include "support/memory_files.hpp"

using namespace llmsize;

namespace {

struct World {
  World()
      : catalog(catalog::Catalog::embedded()),
        types(catalog::load_tensor_types(catalog).value()),
        services{files, writer, environment, catalog, types} {}
  test::MemoryFiles files;
  test::NoWriter writer;
  test::NoEnvironment environment;
  catalog::Catalog catalog;
  TypeTable types;
  app::Services services;
};

/// The check of a table whose row starts with `row` and whose text starts with `what`.
GuideCheck find_check(const GuideReport& report, const std::string& table, const std::string& row,
                      const std::string& what) {
  for (const auto& t : report.tables) {
    if (t.id != table) continue;
    for (const auto& r : t.rows) {
      if (r.cells.empty() || r.cells.front() != row) continue;
      for (const auto& check : r.checks)
        if (check.what.rfind(what, 0) == 0) return check;
    }
  }
  FAIL("no check \"" << what << "\" in row " << row << " of " << table);
  return {};
}

}  // namespace

TEST_CASE("Every divergence of the guides from their own rules and from exact sizes is shown") {
  World world;
  const auto report = app::guide_report(world.services, app::exact_guide_sizer(world.services));
  REQUIRE(report);
  struct Divergence {
    const char *table, *row, *what;
    double printed, computed, tolerance;
  };
  // Printed values from the seeds; computed ones by hand from their formulas, or published file sizes.
  const Divergence divergences[] = {
      {"size-examples", "Qwen3-235B", "the guide's formula", 130, 129.25, 1e-9},
      {"size-examples", "Qwen3-480B", "the guide's formula", 265, 264, 1e-9},
      {"configuration-full", "architect_coding", "the guide's formula", 271, 264, 1e-9},
      {"budget-examples", "512 GB", "the guide's calculator, available", 420, 419.2, 1e-9},
      {"budget-examples", "64 GB", "the guide's calculator, warm", 34, 34.56, 1e-9},
      {"budget-examples", "256 GB", "the guide's calculator, warm", 182, 181.44, 1e-9},
      {"budget-examples", "512 GB", "the guide's calculator, warm", 378, 377.28, 1e-9},
      {"configuration-basic", "Total", "all printed rows", 43, 42.5, 1e-9},
      {"configuration-standard", "Total HOT", "all printed rows", 48, 93.5, 1e-9},
      {"configuration-standard", "WARM available", "the guide's budget less", 154, 108.1, 1e-9},
      {"vram-budget", "KV cache (2048 tokens gate)", "the guide's rule", 1, 0.5, 1e-9},
      // Qwen's own qwen2.5-coder-14b-instruct-q4_k_m.gguf is 8.99 GB.
      {"vram-budget", "Model weights (14B Q4_K_M)", "exact file", 8, 8.99, 0.01},
      // 48 layers x 8 heads x (128 + 128) x 2 bytes x 8192 tokens.
      {"kv-rule", "14B at Q4, 8,192 tokens", "exact KV cache", 2, 1.610612736, 1e-9},
      {"quantization-impact", "Q4_K_M", "exact bits per weight", 4, 4.92, 0.01}};
  for (const auto& d : divergences) {
    const auto check = find_check(*report, d.table, d.row, d.what);
    INFO(d.table << ", " << d.row);
    CHECK(check.printed_low == d.printed);
    REQUIRE(check.computed.has_value());
    CHECK(*check.computed == Approx(d.computed).margin(d.tolerance));
    CHECK(check.difference_percent().has_value());
  }
  // The printed HOT rows of Production exceed that guide's own HOT budget.
  const auto hot = find_check(*report, "configuration-production", "HOT rows", "printed HOT rows");
  CHECK(hot.computed == 59.0);
  CHECK(hot.note.find("41.92") != std::string::npos);
  // At exactly 256 the script and the table of that size disagree.
  const auto tier = find_check(*report, "configuration-names", "Standard", "the script's tier at 256");
  CHECK(tier.printed_text == "STANDARD");
  CHECK(tier.computed_text == "PRODUCTION");
}

TEST_CASE("Only speeds, which need a machine, are unknown in the guide's tables") {
  World world;
  const auto report = app::guide_report(world.services, app::exact_guide_sizer(world.services));
  REQUIRE(report);
  for (const auto& table : report->tables)
    for (const auto& row : table.rows)
      for (const auto& check : row.checks) {
        INFO(table.id << ": " << check.what << ": " << check.unknown_because);
        CHECK((check.unknown_because.empty() || table.id == "speed-expectations"));
      }
}

TEST_CASE("A model that cannot be sized is said in its row and nothing else breaks") {
  World world;
  const auto report = app::guide_report(
      world.services, [](const std::string&, const std::string&, std::int64_t) -> Result<app::GuideSizes> {
        return fail(ErrorCode::unsupported, "no engine");
      });
  REQUIRE(report);
  const auto exact = find_check(*report, "size-examples", "Qwen2.5-7B", "exact file");
  CHECK(exact.unknown_because == "no engine");
  CHECK(find_check(*report, "size-examples", "Qwen2.5-7B", "the guide's formula").computed == 3.85);
}
