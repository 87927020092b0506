#include "llmsize/catalog/vocabularies.hpp"

#include <catch2/catch.hpp>

#include "llmsize/catalog/file_types.hpp"
#include "llmsize/catalog/models.hpp"
#include "llmsize/catalog/types.hpp"
#include "llmsize/core/quantize.hpp"

using namespace llmsize;

namespace {

struct Published {
  const char* id;
  const char* quant;
  std::int64_t file_bytes;
};

/// Whole published files, as their hosts list them.
constexpr Published published[] = {
    {"deepseek-r1-distill-qwen-1.5b", "Q3_K_M", 924456032},
    {"lfm2-700m", "Q4_K_M", 468624320},
    {"gemma-2b-it", "Q8_0", 2669351840},
    {"gemma-2-9b-it", "Q4_K_M", 5761057728},
    {"exaone-4.0-1.2b", "Q3_K_M", 691950560},
    {"exaone-4.0-32b", "Q3_K_M", 15493751232},
    {"nemotron-3-nano-30b-a3b", "Q3_K_M", 19849236064},
    {"exaone-3.5-7.8b-instruct", "Q4_K_M", 4770650432},
    {"falcon3-3b-instruct", "Q4_K_M", 2005682848},
    {"llama-3.1-405b-instruct", "Q4_K_M", 243069610720},
};

}  // namespace

TEST_CASE("Published files fall within the interval of a model that is known without its file") {
  const auto catalogs = catalog::Catalog::embedded();
  const auto types = *catalog::load_tensor_types(catalogs);
  for (const auto& row : published) {
    INFO(row.id << " " << row.quant);
    const auto entry = catalogs.find("model", row.id);
    REQUIRE(entry);
    const auto model = catalog::load_model(catalogs, *entry);
    REQUIRE(model);
    const auto file_type = catalog::load_file_type(catalogs, types, row.quant);
    REQUIRE(file_type);
    const auto chosen = quantized_types(*model, *file_type, types);
    REQUIRE(chosen);
    const auto size = catalog::file_size(catalogs, with_types(*model, *chosen));
    REQUIRE(size);
    CHECK(size->low.value() <= row.file_bytes);
    CHECK(size->high.value() >= row.file_bytes);
    // Within 0.1 % of the file, where the vocabulary has been seen.
    CHECK(std::abs(size->size.value() - row.file_bytes) < row.file_bytes / 1000);
  }
}

TEST_CASE("A header's own size is exact until the file is quantized") {
  const auto catalogs = catalog::Catalog::embedded();
  Model model;
  model.tensors = {{"a.weight", {8, 4, 1, 1}, tensor_type::f32}};
  model.header_size = reported(Bytes(1024), "test");
  auto part = catalog::file_size(catalogs, model);
  REQUIRE(part);
  CHECK(part->size == Bytes(1024 + 128));
  CHECK(part->low == part->high);
  part = catalog::file_size(catalogs, with_types(model, {tensor_type::f16}));
  REQUIRE(part);
  CHECK(part->size == Bytes(1024 + 64));
  CHECK(part->high > part->low);
}

TEST_CASE("An unseen vocabulary takes the interval of all") {
  const auto catalogs = catalog::Catalog::embedded();
  Model model;
  model.architecture = "llama";
  model.hyperparameters.set("vocab_size", std::int64_t{77'777});
  const auto part = catalog::header_size(catalogs, model);
  REQUIRE(part);
  CHECK(part->basis == Basis::derived);
  CHECK(part->low < part->size);
  CHECK(part->size < part->high);
}
