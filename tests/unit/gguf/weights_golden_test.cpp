// tests/data/weights_golden.json holds models' shapes with what the reference engine says about them.
#include <fstream>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/file_types.hpp"
#include "llmsize/catalog/types.hpp"
#include "llmsize/core/quantize.hpp"
#include "llmsize/core/weights.hpp"
#include "llmsize/gguf/reader.hpp"
#include "support/gguf_builder.hpp"
#include "support/memory_files.hpp"
#include "support/sparse_files.hpp"

using namespace llmsize;
using nlohmann::json;

namespace {

const catalog::Catalog& catalogs() {
  static const auto embedded = catalog::Catalog::embedded();
  return embedded;
}
const TypeTable& types() {
  static const TypeTable table = *catalog::load_tensor_types(catalogs());
  return table;
}

void add_tensor(test::GgufBuilder& file, const std::string& prefix, const json& row) {
  Tensor tensor;
  const auto dimensions = row.at(1).get<std::vector<std::uint64_t>>();
  for (std::size_t i = 0; i < dimensions.size(); ++i)
    tensor.dimensions[i] = static_cast<std::int64_t>(dimensions[i]);
  tensor.type = *types().find(row.at(2).get<std::string>());
  file.tensor(prefix + row.at(0).get<std::string>(), dimensions, static_cast<std::uint32_t>(tensor.type.id()),
              static_cast<std::uint64_t>(tensor.size().value()));
}

Result<Model> build(const json& golden) {
  const auto architecture = golden.at("architecture").get<std::string>();
  const auto layers = golden.at("layers").get<std::uint32_t>();
  test::GgufBuilder file;
  file.text("general.architecture", architecture).number(architecture + ".block_count", layers);
  for (const auto& [key, value] : golden.at("metadata").items())
    file.number(architecture + "." + key, value.get<std::uint32_t>());
  for (const auto& row : golden.at("once")) add_tensor(file, "", row);
  for (std::uint32_t layer = 0; layer < layers; ++layer)
    for (const auto& row : golden.at("each_layer"))
      add_tensor(file, "blk." + std::to_string(layer) + ".", row);
  const auto header = file.header();
  const Bytes size(static_cast<std::int64_t>(header.size()) + golden.at("cpu_buffer").get<std::int64_t>());
  return read_gguf(test::SparseFiles(header, size), golden.at("name").get<std::string>() + ".gguf", types());
}

}  // namespace

TEST_CASE("Known models get the engine's sizes and types at every file type") {
  std::ifstream in(LLMSIZE_SOURCE_DIR "/tests/data/weights_golden.json");
  const json golden = json::parse(in);
  for (const auto& row : golden.at("models")) {
    const auto model = build(row);
    REQUIRE(model);
    CHECK(engine_weights_size(*model).value() == row.at("cpu_buffer"));
    for (const auto& [quant, answer] : row.at("quantize").items()) {
      INFO(model->id << " " << quant);
      const auto file_type = catalog::load_file_type(catalogs(), types(), quant);
      REQUIRE(file_type);
      const auto chosen = quantized_types(*model, *file_type, types());
      REQUIRE(chosen);
      const auto sizes = weight_sizes(with_types(*model, *chosen));
      CHECK(sizes.tensors.value() == answer.at(0));
      CHECK(sizes.count_by_type == answer.at(1).get<std::map<std::string, std::int64_t>>());
    }
  }
}
