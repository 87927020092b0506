// Compares the graphs of small models of nearly all architectures with those the reference engine recorded,
// node by node, where LLMSIZE_SHARED names the folder that holds them.
#include <cstdlib>

#include <catch2/catch.hpp>

#include "llmsize/catalog/architectures.hpp"
#include "llmsize/catalog/types.hpp"
#include "llmsize/core/graph.hpp"
#include "llmsize/core/tensor_template.hpp"
#include "support/graph_comparison.hpp"
#include "support/small_model.hpp"

using namespace llmsize;

namespace {

/// Where our graph and memory for recorded run `number` differ from the engine's; empty where they do not.
std::string difference(const Model& model, const Architecture& architecture, int number) {
  const auto run = resolve_run(test::recorded_settings(model.architecture, number), model, architecture);
  if (!run) return run.error().message;
  const auto layout = context_layout(model, architecture, *run);
  if (!layout) return layout.error().message;
  const auto graph = prompt_graph(model, architecture, *run, *layout);
  if (!graph) return graph.error().message;
  const auto recorded = test::recorded_graph(model.id, number);
  const auto size = reserve(*graph).size.value();
  auto text = test::first_difference(*graph, recorded.graph);
  if (size != recorded.reserved)
    text += "reserves " + std::to_string(size) + " instead of " + std::to_string(recorded.reserved);
  return text;
}

/// What the engine reserves for a graph of one token per sequence.
std::int64_t decode_size(const Model& model, const Architecture& architecture, Run run) {
  run.prompt_tokens = run.output_rows = run.sequences;
  const auto scratch = compute_scratch(model, architecture, run);
  REQUIRE(scratch);
  return scratch->size.value();
}

}  // namespace

TEST_CASE("Graphs equal the recorded ones node by node") {
  if (std::getenv("LLMSIZE_SHARED") == nullptr) {
    WARN("SKIPPED: the comparison with recorded graphs; set LLMSIZE_SHARED to run it");
    return;
  }
  const auto catalogs = catalog::Catalog::embedded();
  const auto types = *catalog::load_tensor_types(catalogs);
  int compared = 0;
  std::string differences;
  for (const auto& name : test::small_model_names()) {
    auto model = test::small_model(name, types);
    model.id = name;
    const auto architecture = catalog::load_architecture(catalogs, model.architecture);
    REQUIRE(architecture);
    for (int number = 1; number <= 3; ++number, ++compared)
      if (const auto text = difference(model, *architecture, number); !text.empty())
        differences += name + '.' + std::to_string(number) + ": " + text + '\n';
  }
  CHECK(compared == 381);
  CHECK(differences == "");
}

TEST_CASE("A graph that decodes one token per sequence never needs more than the prompt's") {
  if (std::getenv("LLMSIZE_SHARED") == nullptr) {
    WARN("SKIPPED: graphs of decoding for recorded models; set LLMSIZE_SHARED to run it");
    return;
  }
  const auto catalogs = catalog::Catalog::embedded();
  const auto types = *catalog::load_tensor_types(catalogs);
  for (const auto& name : test::small_model_names()) {
    const auto model = test::small_model(name, types);
    const auto architecture = catalog::load_architecture(catalogs, model.architecture);
    REQUIRE(architecture);
    for (const int number : {1, 2, 3}) {
      auto request = test::recorded_settings(model.architecture, number);
      // As small as a micro-batch of several tokens can be, where the two graphs are closest.
      for (const std::int64_t tokens :
           {2 * request.parallel.value_or(1), request.ubatch_tokens.value_or(0)}) {
        request.ubatch_tokens = tokens;
        const auto run = resolve_run(request, model, *architecture);
        REQUIRE(run);
        const auto prompt = compute_scratch(model, *architecture, *run);
        REQUIRE(prompt);
        INFO(name << '.' << number << ' ' << tokens);
        CHECK(decode_size(model, *architecture, *run) <= prompt->size.value());
      }
    }
  }
}

// All but two of the models whose headers were not recorded: those two have tensors that templates do not
// know.
TEST_CASE("Models known by hyperparameters alone reserve what the engine recorded") {
  const auto catalogs = catalog::Catalog::embedded();
  int compared = 0;
  for (const auto& [name, reserved] : test::described_small_models()) {
    auto model = test::described_small_model(name);
    const auto architecture = catalog::load_architecture(catalogs, model.architecture);
    REQUIRE(architecture);
    const auto tensors = expand_tensors(*architecture, model.hyperparameters);
    INFO(name);
    REQUIRE(tensors);
    model.tensors = *tensors;
    for (int number = 1; number <= 3; ++number, ++compared) {
      const auto run = resolve_run(test::recorded_settings(model.architecture, number), model, *architecture);
      REQUIRE(run);
      const auto scratch = compute_scratch(model, *architecture, *run);
      REQUIRE(scratch);
      CHECK(scratch->size.value() == reserved.at(static_cast<std::size_t>(number - 1)));
    }
  }
  CHECK(compared == 3 * 58);
}

TEST_CASE("A convolution of one tap, which keeps nothing, is sized like any other") {
  const auto catalogs = catalog::Catalog::embedded();
  auto model = test::described_small_model("plamo2-dense");
  model.hyperparameters.set("ssm.conv_kernel", std::int64_t{1});
  const auto architecture = catalog::load_architecture(catalogs, model.architecture);
  REQUIRE(architecture);
  const auto tensors = expand_tensors(*architecture, model.hyperparameters);
  REQUIRE(tensors);
  model.tensors = *tensors;
  const auto run = resolve_run(test::recorded_settings(model.architecture, 1), model, *architecture);
  REQUIRE(run);
  // The tensors contradict a state without a window, so an answer or a refusal is right; a crash is not.
  const auto scratch = compute_scratch(model, *architecture, *run);
  CHECK((scratch || scratch.error().code == ErrorCode::malformed));
}
