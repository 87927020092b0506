// Sweeps the reference engine's own context sizes, where LLMSIZE_SHARED names the folder that holds them.
#include <cstdlib>
#include <sstream>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/architectures.hpp"
#include "llmsize/catalog/models.hpp"
#include "llmsize/catalog/types.hpp"
#include "llmsize/core/cache.hpp"
#include "llmsize/core/placement.hpp"
#include "llmsize/core/scratch_closed_form.hpp"
#include "llmsize/gguf/reader.hpp"
#include "support/generic_devices.hpp"
#include "support/ground_truth.hpp"
#include "support/sparse_files.hpp"

using namespace llmsize;

namespace {

struct ContextSweep {
  catalog::Catalog catalogs = catalog::Catalog::embedded();
  TypeTable types = *catalog::load_tensor_types(catalogs);
  int asked = 0, exact = 0;
  std::string differences;

  void count(bool equal, const std::string& what) {
    ++asked;
    exact += equal ? 1 : 0;
    if (!equal) differences += what + '\n';
  }

  /// Counts whether the closed form's interval holds the engine's compute buffer.
  void ask_closed_form(const Model& model, const Architecture& architecture, const nlohmann::json& answer) {
    if (answer.contains("error")) return;
    const auto run = resolve_run(test::run_request(answer.at("settings"), types), model, architecture);
    REQUIRE(run);
    const auto layout = context_layout(model, architecture, *run);
    REQUIRE(layout);
    const auto scratch = closed_form_scratch(model, *run, *layout);
    const auto wanted = Bytes(answer.at("buffers").at("CPU").at("compute").get<std::int64_t>());
    count(scratch.low <= wanted && wanted <= scratch.high,
          model.id + ": " + std::to_string(wanted.value()) + " is outside the interval");
  }

  void ask_placement(const Model& model, const Architecture& architecture, const nlohmann::json& answer);

  void ask(const Model& model, const Architecture& architecture, const nlohmann::json& answer) {
    const auto what = model.id + " (" + model.architecture + ") " + answer.at("settings").dump();
    const auto run = resolve_run(test::run_request(answer.at("settings"), types), model, architecture);
    if (answer.contains("error")) return count(!run, what + ": not refused");
    if (!run) return count(false, what + ": " + run.error().message);
    if (run->sequence_context != answer.at("n_ctx_seq") || run->padded_context != answer.at("n_ctx_actual"))
      return count(false, what + ": another context");
    const auto layout = context_layout(model, architecture, *run);
    if (!layout) return count(false, what + ": " + layout.error().message);
    const auto size = context_size(*layout, run->sequence_context);
    const auto is = (size.caches + size.states).value();
    const auto wanted = answer.at("buffers").at("CPU").at("context").get<std::int64_t>();
    count(is == wanted, what + ": " + std::to_string(is) + " is not " + std::to_string(wanted));
  }
};

/// The offload that a row's settings describe; devices stand for remote CPUs, so they align to 32.
OffloadRequest offload_request(const nlohmann::json& settings) {
  OffloadRequest request;
  request.devices = test::generic_devices(settings.at("gpus").get<int>(), gibibytes(1000));
  request.gpu_layers = settings.at("n_gpu_layers").get<std::int64_t>();
  request.cpu_expert_layers = settings.value("n_cpu_moe", std::int64_t{0});
  std::istringstream proportions(settings.value("tensor_split", std::string()));
  for (std::string part; std::getline(proportions, part, ',');)
    request.tensor_split.push_back(std::stod(part));
  return request;
}

void ContextSweep::ask_placement(const Model& model, const Architecture& architecture,
                                 const nlohmann::json& answer) {
  const auto run = resolve_run(test::run_request(answer.at("settings"), types), model, architecture);
  REQUIRE(run);
  const auto layout = context_layout(model, architecture, *run);
  REQUIRE(layout);
  const auto placement = place(model, architecture, *layout, offload_request(answer.at("settings")));
  REQUIRE(placement);
  for (const auto& share : placement->shares) {
    const auto& wanted = answer.at("buffers").at(share.device);
    const auto what =
        model.id + " (" + model.architecture + ") " + share.device + ' ' + answer.at("settings").dump();
    count(share.weights.value() == wanted.at("model"),
          what + ": weights " + std::to_string(share.weights.value()) + " not " + wanted.at("model").dump());
    count((share.caches + share.states).value() == wanted.at("context"),
          what + ": context " + std::to_string((share.caches + share.states).value()) + " not " +
              wanted.at("context").dump());
  }
}

using Question = void (ContextSweep::*)(const Model&, const Architecture&, const nlohmann::json&);

/// The model of a row: from its header, or from the catalog where only an id is given.
Result<Model> recorded_model(const ContextSweep& sweep, const std::string& truth, const nlohmann::json& row) {
  if (!row.contains("header")) {
    const auto id = row.at("id").get<std::string>();
    const auto entry = sweep.catalogs.find("model", id);
    return entry ? catalog::load_model(sweep.catalogs, *entry) : fail(ErrorCode::not_found, id);
  }
  // Rows that only name devices do not repeat the file's size; any large one will do.
  const auto size = row.contains("file_bytes") ? Bytes(row.at("file_bytes")) : gibibytes(4096);
  const test::SparseFiles file(test::gunzip(truth + row.at("header").get<std::string>()), size);
  return read_gguf(file, row.at("name").get<std::string>() + ".gguf", sweep.types);
}

/// Puts every recorded run of `sets` to `question`; false where there are no recorded answers.
bool sweep_all(ContextSweep& sweep, Question question, std::initializer_list<const char*> sets) {
  const char* shared = std::getenv("LLMSIZE_SHARED");
  if (shared == nullptr) {
    WARN("SKIPPED: the sweep over the engine's own context sizes; set LLMSIZE_SHARED to run it");
    return false;
  }
  const std::string truth = std::string(shared) + "/ground-truth/";
  for (const char* set : sets) {
    std::istringstream rows(test::gunzip(truth + set + ".jsonl.gz"));
    for (std::string line; std::getline(rows, line);) {
      const auto row = nlohmann::json::parse(line);
      const auto model = recorded_model(sweep, truth, row);
      REQUIRE(model);
      const auto architecture = catalog::load_architecture(sweep.catalogs, model->architecture);
      if (!architecture) FAIL(architecture.error().message);
      for (const auto& memory : row.at("memory")) (sweep.*question)(*model, *architecture, memory);
    }
  }
  return true;
}

}  // namespace

TEST_CASE("Caches and states equal the engine's own answers") {
  ContextSweep sweep;
  if (!sweep_all(sweep, &ContextSweep::ask, {"real", "tiny", "catalog"})) return;
  WARN("exact: context " << sweep.exact << "/" << sweep.asked);
  CHECK(sweep.differences == "");
}

TEST_CASE("The closed form's interval holds 95 % of the engine's compute buffers of real models") {
  ContextSweep sweep;
  if (!sweep_all(sweep, &ContextSweep::ask_closed_form, {"real"})) return;
  WARN("within the closed form's interval: " << sweep.exact << "/" << sweep.asked);
  CHECK(sweep.exact * 100 >= sweep.asked * 95);
}

TEST_CASE("Devices hold the weights and caches that the engine places there") {
  ContextSweep sweep;
  if (!sweep_all(sweep, &ContextSweep::ask_placement, {"offload"})) return;
  WARN("exact: placement " << sweep.exact << "/" << sweep.asked);
  CHECK(sweep.differences == "");
}
