#include "llmsize/catalog/params_neighbours.hpp"

#include <algorithm>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/file_types.hpp"
#include "llmsize/catalog/hyperparameters.hpp"
#include "llmsize/catalog/types.hpp"

using namespace llmsize;
using namespace llmsize::catalog;

namespace {

/// How an estimate from parameters alone does for models it was not given.
struct LeaveOneOut {
  int models = 0;
  int weights_held = 0;
  int context_held = 0;
  std::vector<double> weights_half_width;
};

bool is_grouped(const Hyperparameters& h) {
  const auto heads = h.integer("attention.head_count"), kv_heads = h.integer("attention.head_count_kv");
  return heads && kv_heads && *kv_heads < *heads && !h.has("attention.kv_lora_rank") &&
         !h.has("ssm.inner_size");
}

/// Estimates every model of a kind from the others; those of the very same size are left out too, because
/// they are fine-tunes of the same shape.
LeaveOneOut leave_one_out(const char* file_type_id, bool mixtures) {
  const auto catalog = Catalog::embedded();
  const auto types = load_tensor_types(catalog).value();
  const auto file_type = load_file_type(catalog, types, file_type_id).value();
  RunRequest run;
  run.context_tokens = 8192;
  LeaveOneOut result;
  for (const auto& entry : catalog.list("model")) {
    const auto document = catalog.parse(entry).value();
    if (document.contains("missing")) continue;
    const auto values = read_hyperparameters(document["hyperparameters"]).value();
    if ((values.expert_count() > 0) != mixtures || (!mixtures && !is_grouped(values))) continue;
    const auto truth = size_as_neighbour(catalog, types, entry, mixtures, file_type, run);
    if (!truth || (mixtures && !truth->active)) continue;
    const ParamsRequest request{truth->total, mixtures ? truth->active : std::nullopt};
    const auto others = params_neighbours(
        catalog, types, request, file_type, run,
        [&](const EntryReference& other) { return other.total_params != entry.total_params; });
    const auto estimate = estimate_from_params(request, others);
    if (!estimate) continue;
    ++result.models;
    const auto holds = [](const SizedPart& part, Bytes size) {
      return part.low <= size && size <= part.high;
    };
    result.weights_held += holds(estimate->tensors, truth->tensors);
    result.context_held += holds(estimate->context, truth->context);
    result.weights_half_width.push_back(
        static_cast<double>((estimate->tensors.high - estimate->tensors.low).value()) / 2 /
        static_cast<double>(estimate->tensors.size.value()));
  }
  std::sort(result.weights_half_width.begin(), result.weights_half_width.end());
  return result;
}

}  // namespace

TEST_CASE("weights and KV of nine dense models in ten lie in intervals of under 5 % to either side") {
  const char* file_type = GENERATE("Q4_K_M", "Q5_K_M");
  INFO(file_type);
  const auto result = leave_one_out(file_type, false);
  REQUIRE(result.models >= 100);
  CHECK(result.weights_held >= result.models * 0.9);
  CHECK(result.context_held >= result.models * 0.9);
  CHECK(result.weights_half_width.back() < 0.05);
}

TEST_CASE("below four bits the weights of nine dense models in ten lie in wider intervals") {
  const auto result = leave_one_out("Q2_K", false);
  CHECK(result.weights_held >= result.models * 0.9);
  CHECK(result.weights_half_width.back() > 0.05);
}

TEST_CASE("weights and KV of nine mixtures in ten lie in their intervals") {
  const auto result = leave_one_out("Q4_K_M", true);
  REQUIRE(result.models >= 55);
  CHECK(result.weights_held >= result.models * 0.9);
  CHECK(result.context_held >= result.models * 0.9);
}

TEST_CASE("neighbours of a dense model are dense, of distinct shapes and near it") {
  const auto catalog = Catalog::embedded();
  const auto types = load_tensor_types(catalog).value();
  const auto file_type = load_file_type(catalog, types, "F16").value();
  const auto neighbours =
      params_neighbours(catalog, types, {ParamCount(32'000'000'000), std::nullopt}, file_type, {});
  REQUIRE(neighbours.size() == params_neighbour_count);
  for (const auto& neighbour : neighbours) {
    INFO(neighbour.id);
    CHECK_FALSE(neighbour.active.has_value());
    CHECK(neighbour.total > ParamCount(8'000'000'000));
    CHECK(neighbour.total < ParamCount(128'000'000'000));
  }
  const auto same_size = [](const auto& a, const auto& b) { return a.total == b.total; };
  CHECK(std::adjacent_find(neighbours.begin(), neighbours.end(), same_size) == neighbours.end());
}
