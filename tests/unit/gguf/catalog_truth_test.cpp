// Compares models of the catalog with the headers recorded from the reference engine, where LLMSIZE_SHARED
// names the folder that holds them: the same hyperparameters, the same tensors, the same sizes of every file
// type.
#include <cstdlib>
#include <map>
#include <sstream>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/file_types.hpp"
#include "llmsize/catalog/models.hpp"
#include "llmsize/catalog/types.hpp"
#include "llmsize/core/weights.hpp"
#include "llmsize/gguf/reader.hpp"
#include "support/ground_truth.hpp"
#include "support/sparse_files.hpp"

using namespace llmsize;

namespace {

/// The folder of recorded answers, or nothing (with a word about it).
std::optional<std::string> truth_folder() {
  if (const char* shared = std::getenv("LLMSIZE_SHARED")) return std::string(shared) + "/ground-truth/";
  WARN("SKIPPED: the catalog against recorded headers; set LLMSIZE_SHARED to run it");
  return std::nullopt;
}

using TensorTable = std::map<std::string, std::pair<std::array<std::int64_t, 4>, std::string>>;

TensorTable table_of(const Model& model) {
  TensorTable table;
  for (const auto& tensor : model.tensors)
    table.emplace(tensor.name, std::pair(tensor.dimensions, std::string(tensor.type.name())));
  return table;
}

/// Keys that no size depends on and that no public source states for every model.
bool may_differ(const std::string& key) {
  return key.find("epsilon") != std::string::npos || key == "rope.freq_base" || key == "context_length" ||
         key == "n_deepstack_layers" || key == "rope.dimension_sections" || key.starts_with("general.") ||
         key.starts_with("tokenizer.") || key.starts_with("xielu.");
}

std::string differing_keys(const Model& header, const Model& entry) {
  std::string out;
  for (const auto& [key, value] : header.hyperparameters.all()) {
    if (may_differ(key)) continue;
    const auto& stated = entry.hyperparameters.all();
    const auto found = stated.find(key);
    if (found == stated.end() || found->second != value) out += key + ' ';
  }
  return out;
}

}  // namespace

TEST_CASE("Catalog entries equal the recorded headers, key by key and tensor by tensor") {
  const auto folder = truth_folder();
  if (!folder) return;
  const auto catalogs = catalog::Catalog::embedded();
  const auto types = catalog::load_tensor_types(catalogs).value();
  int compared = 0;
  std::istringstream rows(test::gunzip(*folder + "catalog.jsonl.gz"));
  for (std::string line; std::getline(rows, line);) {
    const auto row = nlohmann::json::parse(line);
    const auto id = row.at("id").get<std::string>();
    INFO(id);
    const test::SparseFiles file(test::gunzip(*folder + "headers/" + id + ".head.gz"), gibibytes(4096));
    const auto header = read_gguf(file, id + ".gguf", types);
    REQUIRE(header.has_value());
    const auto entry = catalog::load_model(catalogs, catalogs.find("model", id).value());
    REQUIRE(entry.has_value());
    CHECK(entry->architecture == header->architecture);
    CHECK(differing_keys(*header, *entry) == "");
    CHECK((table_of(*entry) == table_of(*header)));
    ++compared;
  }
  CHECK(compared >= 94);
}

TEST_CASE("Catalog entries quantize to the sizes of the engine's dry run") {
  const auto folder = truth_folder();
  if (!folder) return;
  const auto catalogs = catalog::Catalog::embedded();
  const auto types = catalog::load_tensor_types(catalogs).value();
  int asked = 0;
  std::istringstream rows(test::gunzip(*folder + "catalog.jsonl.gz"));
  for (std::string line; std::getline(rows, line);) {
    const auto row = nlohmann::json::parse(line);
    const auto id = row.at("id").get<std::string>();
    const auto model = catalog::load_model(catalogs, catalogs.find("model", id).value());
    REQUIRE(model.has_value());
    for (const auto& [name, answer] : row.at("quantize").items()) {
      if (answer.contains("error")) continue;
      INFO(id << ' ' << name);
      const auto file_type = catalog::load_file_type(catalogs, types, name);
      REQUIRE(file_type.has_value());
      const auto tensor_types = quantized_types(*model, *file_type, types);
      REQUIRE(tensor_types.has_value());
      CHECK(weight_sizes(with_types(*model, *tensor_types)).tensors.value() == answer.at("tensor_bytes"));
      ++asked;
    }
  }
  CHECK(asked >= 2000);
}
