// Sweeps the reference engine's own answers, where LLMSIZE_SHARED names the folder that holds them.
#include "support/ground_truth.hpp"

#include <cstdlib>
#include <sstream>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/file_types.hpp"
#include "llmsize/catalog/models.hpp"
#include "llmsize/catalog/types.hpp"
#include "llmsize/catalog/vocabularies.hpp"
#include "llmsize/core/quantize.hpp"
#include "llmsize/core/weights.hpp"
#include "llmsize/gguf/reader.hpp"
#include "support/sparse_files.hpp"

using namespace llmsize;
using test::gunzip;

namespace {

struct Sweep {
  catalog::Catalog catalogs = catalog::Catalog::embedded();
  TypeTable types = *catalog::load_tensor_types(catalogs);
  int asked = 0, exact = 0;
  std::string differences;

  void count(bool equal, const std::string& what) {
    ++asked;
    exact += equal;
    if (!equal) differences += what + '\n';
  }

  void quantize(const Model& model, const std::string& quant, const nlohmann::json& answer) {
    const auto file_type = catalog::load_file_type(catalogs, types, quant);
    if (!file_type) return count(false, quant + ": " + file_type.error().message);
    const auto chosen = quantized_types(model, *file_type, types);
    if (answer.contains("error")) return count(!chosen, model.id + " " + quant + ": not refused");
    if (!chosen) return count(false, model.id + " " + quant + ": " + chosen.error().message);
    const auto sizes = weight_sizes(with_types(model, *chosen));
    const auto by_type = answer.at("tensors_by_type").get<std::map<std::string, std::int64_t>>();
    count(sizes.tensors.value() == answer.at("tensor_bytes") && sizes.count_by_type == by_type,
          model.id + " " + quant + ": " + std::to_string(sizes.tensors.value()) + " is not " +
              answer.at("tensor_bytes").dump() + " " + nlohmann::json(sizes.count_by_type).dump() + " / " +
              nlohmann::json(by_type).dump());
  }
};

}  // namespace

TEST_CASE("Weights and quant types equal the engine's own answers") {
  const char* shared = std::getenv("LLMSIZE_SHARED");
  if (shared == nullptr) {
    WARN("SKIPPED: the sweep over the engine's own answers; set LLMSIZE_SHARED to run it");
    return;
  }
  const std::string truth = std::string(shared) + "/ground-truth/";
  Sweep files, weights, quants;
  for (const char* set : {"real", "tiny"}) {
    std::istringstream rows(gunzip(truth + set + ".jsonl.gz"));
    for (std::string line; std::getline(rows, line);) {
      const auto row = nlohmann::json::parse(line);
      const test::SparseFiles file(gunzip(truth + row.at("header").get<std::string>()),
                                   Bytes(row.at("file_bytes")));
      const auto model = read_gguf(file, row.at("name").get<std::string>() + ".gguf", files.types);
      REQUIRE(model);
      const auto file_part = catalog::file_size(files.catalogs, *model);
      REQUIRE(file_part);
      files.count(file_part->size.value() == row.at("file_bytes") && file_part->low == file_part->high,
                  model->id + ": file size");
      for (const auto& memory : row.at("memory")) {
        if (memory.contains("error")) continue;
        weights.count(engine_weights_size(*model).value() == memory.at("buffers").at("CPU").at("model"),
                      model->id + ": weights " + memory.at("settings").dump());
      }
      for (const auto& [quant, answer] : row.at("quantize").items()) quants.quantize(*model, quant, answer);
    }
  }
  WARN("exact: file size " << files.exact << "/" << files.asked << ", weights " << weights.exact << "/"
                           << weights.asked << ", quant types " << quants.exact << "/" << quants.asked);
  CHECK(files.differences == "");
  CHECK(weights.differences == "");
  CHECK(quants.differences == "");
}

TEST_CASE("Catalog models get the same weights and quant types as their files") {
  const char* shared = std::getenv("LLMSIZE_SHARED");
  if (shared == nullptr) {
    WARN("SKIPPED: the sweep over catalog models; set LLMSIZE_SHARED to run it");
    return;
  }
  Sweep weights, quants;
  std::istringstream rows(gunzip(std::string(shared) + "/ground-truth/catalog.jsonl.gz"));
  for (std::string line; std::getline(rows, line);) {
    const auto row = nlohmann::json::parse(line);
    const auto entry = weights.catalogs.find("model", row.at("id").get<std::string>());
    const auto model =
        entry ? catalog::load_model(weights.catalogs, *entry) : fail(ErrorCode::not_found, "no such entry");
    if (!model) {
      weights.count(false, row.at("id").get<std::string>() + ": " + model.error().message);
      continue;
    }
    for (const auto& memory : row.at("memory")) {
      if (memory.contains("error")) continue;
      weights.count(engine_weights_size(*model).value() == memory.at("buffers").at("CPU").at("model"),
                    model->id + ": weights " + memory.at("settings").dump());
    }
    for (const auto& [quant, answer] : row.at("quantize").items()) quants.quantize(*model, quant, answer);
  }
  WARN("exact: weights " << weights.exact << "/" << weights.asked << ", quant types " << quants.exact << "/"
                         << quants.asked);
  CHECK(weights.differences == "");
  CHECK(quants.differences == "");
}
