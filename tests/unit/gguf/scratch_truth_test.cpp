// Sweeps the reference engine's own compute buffers, where LLMSIZE_SHARED names the folder that holds them.
#include <cstdlib>
#include <sstream>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/architectures.hpp"
#include "llmsize/catalog/types.hpp"
#include "llmsize/core/graph.hpp"
#include "llmsize/gguf/reader.hpp"
#include "support/ground_truth.hpp"
#include "support/sparse_files.hpp"

using namespace llmsize;

namespace {

struct ScratchSweep {
  catalog::Catalog catalogs = catalog::Catalog::embedded();
  TypeTable types = *catalog::load_tensor_types(catalogs);
  int asked = 0, exact = 0, without_graph = 0;
  std::string differences;

  void ask(const Model& model, const Architecture& architecture, const nlohmann::json& answer) {
    if (answer.contains("error")) return;
    ++asked;
    if (architecture.graph.layer.empty()) {
      ++without_graph;
      return;
    }
    const auto run = resolve_run(test::run_request(answer.at("settings"), types), model, architecture);
    REQUIRE(run);
    const auto scratch = compute_scratch(model, architecture, *run);
    const auto wanted = answer.at("buffers").at("CPU").at("compute").get<std::int64_t>();
    if (scratch && scratch->size.value() == wanted) {
      ++exact;
      return;
    }
    differences += model.id + " (" + model.architecture + ") " + answer.at("settings").dump() + ": " +
                   (scratch ? std::to_string(scratch->size.value()) : scratch.error().message) + " is not " +
                   std::to_string(wanted) + '\n';
  }

  void ask_all(const std::string& truth, const char* set) {
    std::istringstream rows(test::gunzip(truth + set + ".jsonl.gz"));
    for (std::string line; std::getline(rows, line);) {
      const auto row = nlohmann::json::parse(line);
      const test::SparseFiles file(test::gunzip(truth + row.at("header").get<std::string>()),
                                   Bytes(row.at("file_bytes")));
      const auto model = read_gguf(file, row.at("name").get<std::string>() + ".gguf", types);
      REQUIRE(model);
      const auto architecture = catalog::load_architecture(catalogs, model->architecture);
      REQUIRE(architecture);
      for (const auto& memory : row.at("memory")) ask(*model, *architecture, memory);
    }
  }
};

}  // namespace

TEST_CASE("Compute buffers equal the engine's own, for every architecture with a list of blocks") {
  const char* shared = std::getenv("LLMSIZE_SHARED");
  if (shared == nullptr) {
    WARN("SKIPPED: the sweep over the engine's own compute buffers; set LLMSIZE_SHARED to run it");
    return;
  }
  ScratchSweep sweep;
  for (const char* set : {"real", "tiny"}) sweep.ask_all(std::string(shared) + "/ground-truth/", set);
  WARN("exact: compute buffers " << sweep.exact << "/" << sweep.asked << ", without a list of blocks "
                                 << sweep.without_graph);
  CHECK(sweep.differences == "");
}
