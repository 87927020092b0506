#include "llmsize/catalog/entry_rules.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/catalog.hpp"
#include "llmsize/catalog/types.hpp"
#include "support/memory_files.hpp"

using namespace llmsize;
using namespace llmsize::catalog;

TEST_CASE("a faulty key of an entry is named by its JSON pointer with what it must be") {
  const auto faults = entry_faults("tensor_type", {{"id", "q4_K"}, {"number", "x"}, {"block_elements", 0}});
  REQUIRE(faults.size() == 3);
  CHECK(faults[0].pointer == "/number");
  CHECK(faults[0].message == "must be a whole number from 0 to 10000");
  CHECK(faults[1].pointer == "/block_elements");
  CHECK(faults[2].pointer.empty());
  CHECK(faults[2].message.find("\"block_bytes\" is missing") == 0);
}

TEST_CASE("every embedded entry keeps the rules of its kind") {
  const auto catalog = Catalog::embedded();
  for (const char* kind :
       {"architecture", "capability", "config_keys", "cpu", "file_type", "gpu", "guide_factor", "guide_table",
        "model", "projector", "projector_type", "quant_quality", "role", "role_set", "size_tier",
        "tensor_type", "throughput", "tier", "vocabulary"}) {
    REQUIRE(is_entry_kind(kind));
    const auto entries = catalog.list(kind);
    REQUIRE_FALSE(entries.empty());
    for (const auto& entry : entries) {
      INFO(kind << " " << entry.id);
      CHECK(entry_faults(kind, catalog.parse(entry).value()).empty());
    }
  }
}

TEST_CASE("a user's faulty entry leaves the built-in one in force") {
  test::MemoryFiles files;
  files.add(
      "/mine/types.json",
      R"({"kind": "tensor_type", "entries": [{"id": "q4_K", "number": 12, "block_elements": 256, "block_bytes": "x"}]})");
  files.add("/mine/wrong.json", R"({"kind": "modle", "entries": []})");
  auto catalog = Catalog::embedded();
  catalog.add_layer(files, "/mine");
  REQUIRE(catalog.problems().size() == 2);
  CHECK(catalog.problems()[0].location.describe() == "/mine/types.json#/entries/0/block_bytes");
  CHECK(catalog.problems()[1].location.describe() == "/mine/wrong.json#/kind");
  const auto types = load_tensor_types(catalog);
  REQUIRE(types);
  CHECK(types->find(std::string_view("q4_K"))->layout().bytes == 144);
}
