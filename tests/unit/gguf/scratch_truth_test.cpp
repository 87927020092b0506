// Sweeps the reference engine's own compute buffers, where LLMSIZE_SHARED names the folder that holds them.
#include <cstdlib>
#include <sstream>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/architectures.hpp"
#include "llmsize/catalog/types.hpp"
#include "llmsize/core/graph.hpp"
#include "llmsize/core/graph_split.hpp"
#include "llmsize/gguf/reader.hpp"
#include "support/generic_devices.hpp"
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

  void ask_devices(const Model& model, const Architecture& architecture, const nlohmann::json& answer) {
    const auto settings = answer.at("settings");
    OffloadRequest request;
    request.devices = test::generic_devices(settings.at("gpus").get<int>(), gibibytes(1000));
    request.gpu_layers = settings.at("n_gpu_layers").get<std::int64_t>();
    request.cpu_expert_layers = settings.value("n_cpu_moe", std::int64_t{0});
    std::istringstream proportions(settings.value("tensor_split", std::string()));
    for (std::string part; std::getline(proportions, part, ',');)
      request.tensor_split.push_back(std::stod(part));
    const auto run = resolve_run(test::run_request(settings, types), model, architecture);
    REQUIRE(run);
    const auto layout = context_layout(model, architecture, *run);
    REQUIRE(layout);
    const auto placement = place(model, architecture, *layout, request);
    REQUIRE(placement);
    const auto sizes = device_scratch(model, architecture, *run, *layout, request, *placement);
    for (std::size_t i = 0; i < placement->shares.size(); ++i) {
      const auto& name = placement->shares[i].device;
      const auto wanted = answer.at("buffers").at(name).at("compute").get<std::int64_t>();
      ++asked;
      if (!sizes && architecture.graph.layer.empty()) {
        ++without_graph;
        continue;
      }
      if (sizes && (*sizes)[i].value() == wanted) {
        ++exact;
        continue;
      }
      differences += model.id + " (" + model.architecture + ") " + name + ' ' + settings.dump() + ": " +
                     (sizes ? std::to_string((*sizes)[i].value()) : sizes.error().message) + " is not " +
                     std::to_string(wanted) + '\n';
    }
  }

  using Question = void (ScratchSweep::*)(const Model&, const Architecture&, const nlohmann::json&);
  void ask_all(const std::string& truth, const char* set, Question question) {
    std::istringstream rows(test::gunzip(truth + set + ".jsonl.gz"));
    for (std::string line; std::getline(rows, line);) {
      const auto row = nlohmann::json::parse(line);
      const test::SparseFiles file(
          test::gunzip(truth + row.at("header").get<std::string>()),
          row.contains("file_bytes") ? Bytes(row.at("file_bytes")) : gibibytes(4096));
      const auto model = read_gguf(file, row.at("name").get<std::string>() + ".gguf", types);
      REQUIRE(model);
      const auto architecture = catalog::load_architecture(catalogs, model->architecture);
      REQUIRE(architecture);
      for (const auto& memory : row.at("memory")) (this->*question)(*model, *architecture, memory);
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
  for (const char* set : {"real", "tiny"})
    sweep.ask_all(std::string(shared) + "/ground-truth/", set, &ScratchSweep::ask);
  WARN("exact: compute buffers " << sweep.exact << "/" << sweep.asked << ", without a list of blocks "
                                 << sweep.without_graph);
  CHECK(sweep.differences == "");
}

TEST_CASE("Devices reserve what the engine reserves there") {
  const char* shared = std::getenv("LLMSIZE_SHARED");
  if (shared == nullptr) {
    WARN("SKIPPED: the sweep over the engine's own device buffers; set LLMSIZE_SHARED to run it");
    return;
  }
  ScratchSweep sweep;
  sweep.ask_all(std::string(shared) + "/ground-truth/", "offload", &ScratchSweep::ask_devices);
  WARN("exact: device buffers " << sweep.exact << "/" << sweep.asked << ", without a list of blocks "
                                << sweep.without_graph);
  CHECK(sweep.differences == "");
}
