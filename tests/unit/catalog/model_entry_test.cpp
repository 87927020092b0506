#include "llmsize/catalog/model_entry.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/models.hpp"
#include "support/memory_files.hpp"

using namespace llmsize;

namespace {

/// The model of `id` after a round trip through an entry of its own in a user's folder.
Result<Model> round_trip(const Model& model, bool expect_listed) {
  auto catalogs = catalog::Catalog::embedded();
  const auto text = catalog::model_entry(catalogs, model, "mine", "2026-09");
  REQUIRE(text);
  const auto entry = nlohmann::json::parse(*text).at("entries").at(0);
  CHECK(entry.contains("tensors") == expect_listed);
  CHECK(entry.at("total_params") == model.total_params().value());
  catalogs.add_layer(test::MemoryFiles{{"/user/mine.json", *text}}, "/user");
  REQUIRE(catalogs.problems().empty());
  return catalog::load_model(catalogs, *catalogs.find("model", "mine"));
}

void check_same_tensors(const Model& a, const Model& b) {
  REQUIRE(a.tensors.size() == b.tensors.size());
  for (const auto& tensor : a.tensors) {
    const auto* other = b.find_tensor(tensor.name);
    INFO(tensor.name);
    REQUIRE(other != nullptr);
    CHECK(other->dimensions == tensor.dimensions);
    CHECK(other->type == tensor.type);
  }
}

/// A catalog model as a file's header would give it: without the catalog's features.
Model as_file(const char* id) {
  const auto catalogs = catalog::Catalog::embedded();
  auto model = *catalog::load_model(catalogs, *catalogs.find("model", id));
  Hyperparameters plain;
  for (const auto& [key, value] : model.hyperparameters.all())
    if (!key.starts_with("feature.")) plain.set(key, value);
  model.hyperparameters = plain;
  return model;
}

}  // namespace

TEST_CASE("An entry made from a header gives the header's tensors") {
  // Tied embeddings, rope frequencies, and a mixture of experts.
  for (const char* id : {"qwen2.5-1.5b-instruct", "llama-3.1-70b-instruct", "qwen3-coder-30b-a3b-instruct"}) {
    INFO(id);
    const auto model = as_file(id);
    const auto again = round_trip(model, false);
    REQUIRE(again);
    check_same_tensors(model, *again);
  }
}

TEST_CASE("Tensors that no template gives are listed") {
  auto model = as_file("qwen2.5-1.5b-instruct");
  model.tensors.push_back({"blk.0.extra.weight", {8, 4, 2, 1}, tensor_type::f32});
  const auto again = round_trip(model, true);
  REQUIRE(again);
  check_same_tensors(model, *again);
}

TEST_CASE("An unknown architecture is kept as a list") {
  Model model;
  model.architecture = "unheard-of";
  model.tensors = {{"a.weight", {8, 4, 1, 1}, tensor_type::f16}, {"b", {4, 1, 1, 1}, tensor_type::f32}};
  const auto again = round_trip(model, true);
  REQUIRE(again);
  check_same_tensors(model, *again);
}

TEST_CASE("Ids that would not survive a command line are refused") {
  const auto catalogs = catalog::Catalog::embedded();
  for (const char* id : {"", "a b", "a/b", "\"", "a:b"})
    CHECK_FALSE(catalog::model_entry(catalogs, Model{}, id, "2026-09"));
}

TEST_CASE("A broken list names its row") {
  const auto catalogs = catalog::Catalog::embedded();
  for (const char* row :
       {"1", "[]", "[\"a\"]", "[\"a\", 0]", "[\"a\", -1]", "[\"a\", 1, 1, 1, 1, 1]", "[\"a\", 1.5]",
        "[\"a\", 8, \"q9\"]", "[\"a\", 8, \"q8_0\"]", "[\"a\", 9223372036854775807, 9]"}) {
    const auto list =
        catalog::read_listed_tensors(catalogs, nlohmann::json::parse("[" + std::string(row) + "]"));
    INFO(row);
    REQUIRE_FALSE(list);
    CHECK_THAT(list.error().message, Catch::Contains("row 0"));
  }
}
