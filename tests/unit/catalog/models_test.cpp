#include "llmsize/catalog/models.hpp"

#include <algorithm>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/architectures.hpp"
#include "llmsize/catalog/projectors.hpp"

using namespace llmsize;
using namespace llmsize::catalog;

namespace {

const Catalog& embedded() {
  static const Catalog catalog = Catalog::embedded();
  return catalog;
}

Result<Model> load(const char* id) {
  return load_model(embedded(), embedded().find("model", id).value());
}

/// Parameters that published totals leave out: frequency tables that the conversion adds.
std::int64_t added_by_conversion(const Model& model) {
  std::int64_t sum = 0;
  for (const auto& tensor : model.tensors)
    if (tensor.name.starts_with("rope_")) sum += tensor.elements();
  return sum;
}

}  // namespace

TEST_CASE("every architecture of the catalog loads") {
  const auto references = embedded().list("architecture");
  CHECK(references.size() >= 127);
  for (const auto& reference : references) {
    INFO(reference.id);
    const auto architecture = load_architecture(embedded(), reference.id);
    CHECK(architecture.has_value());
  }
}

TEST_CASE("every model whose shape is known expands to its stated parameter count") {
  std::size_t complete = 0;
  for (const auto& reference : embedded().list("model")) {
    INFO(reference.id);
    const auto entry = embedded().parse(reference).value();
    const auto model = load_model(embedded(), reference);
    if (entry.contains("missing")) {
      CHECK(model.error().code == ErrorCode::unsupported);
      continue;
    }
    INFO((model ? std::string() : model.error().message));
    REQUIRE(model.has_value());
    ++complete;
    CHECK(model->total_params().value() == reference.total_params);
  }
  CHECK(complete >= 242);
}

// Independent of this program: the totals that publishers' own weight files hold, quoted with their sources
// in data/models.
TEST_CASE("parameter counts agree with the publishers' to the last parameter") {
  std::size_t compared = 0;
  for (const auto& reference : embedded().list("model")) {
    const auto entry = embedded().parse(reference).value();
    const auto verification = entry.find("verification");
    if (verification == entry.end() || !verification->value("match", "").starts_with("exact (") ||
        entry.contains("missing"))
      continue;
    INFO(reference.id);
    const auto model = load_model(embedded(), reference);
    REQUIRE(model.has_value());
    const std::int64_t total = model->total_params().value();
    const auto& published = (*verification)["published"];
    CHECK(std::any_of(published.begin(), published.end(), [&](const nlohmann::json& source) {
      const std::int64_t value = source["params"];
      return value == total || value == total - added_by_conversion(*model);
    }));
    ++compared;
  }
  CHECK(compared >= 100);
}

TEST_CASE("a mixture's active parameters are known where the catalog states them") {
  const auto model = load("qwen3-30b-a3b");
  REQUIRE(model.has_value());
  REQUIRE(model->active_params.has_value());
  CHECK(*model->active_params < model->total_params());
}

TEST_CASE("hyperparameters carry GGUF's own keys, and features their own prefix") {
  const auto model = load("qwen2.5-3b-instruct").value();
  CHECK(model.hyperparameters.kv_head_count(0) == 2);
  CHECK(model.hyperparameters.flag("feature.tied_embeddings"));
  CHECK(model.find_tensor("output.weight") == nullptr);
  CHECK(model.find_tensor("blk.35.attn_k.bias")->dimensions[0] == 256);
}

TEST_CASE("a model that no source describes in full is refused, with a way out") {
  const auto error = load("minimax-m3").error();
  CHECK(error.message ==
        "MiniMax M3 428B A23B: no public source states its attention.indexer.head_count, "
        "attention.indexer.key_length");
  CHECK(error.hint == "Name its GGUF file, or size it by --params 426.0.");
}

TEST_CASE("The catalog's projectors have the sizes of the published files") {
  // mmproj-Qwen3VL-8B-Instruct-F16.gguf has 1,159,029,824 bytes, of which the header's 352 tensors and few
  // keys are some 20 KB (Qwen/Qwen3-VL-8B-Instruct-GGUF, as quoted in public download code, 2026-11).
  const auto projector = load_projector(embedded(), "qwen3-vl-8b-instruct").value();
  std::int64_t bytes = 0;
  for (const auto& tensor : projector.tensors) bytes += tensor.size().value();
  CHECK(bytes < 1'159'029'824 - 15'000);
  CHECK(bytes > 1'159'029'824 - 30'000);
  CHECK(projector.hyperparameters.integer("vision.block_count") == 27);
  for (const auto& entry : embedded().list("projector")) {
    INFO(entry.id);
    CHECK(load_projector(embedded(), entry.id));
    CHECK(embedded().find("model", entry.id));
  }
  CHECK(load_projector(embedded(), "qwen3-8b").error().code == ErrorCode::not_found);
}
