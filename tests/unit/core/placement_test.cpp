#include "llmsize/core/placement.hpp"

#include <catch2/catch.hpp>

#include "llmsize/core/architecture.hpp"
#include "llmsize/core/model.hpp"
#include "support/generic_devices.hpp"

using namespace llmsize;

namespace {

constexpr std::int64_t weight = 256 * 256 * 2;
constexpr std::int64_t table = 256 * 1024 * 2;

/// Four layers of one matrix and one expert matrix each, tied embedding, everything F16.
Model four_layers(bool tied = true) {
  Model model;
  model.architecture = "llama";
  auto& h = model.hyperparameters;
  h.set("block_count", std::int64_t{4});
  h.set("embedding_length", std::int64_t{256});
  h.set("attention.head_count", std::int64_t{2});
  model.tensors = {{"token_embd.weight", {256, 1024, 1, 1}, tensor_type::f16},
                   {"rope_freqs.weight", {32, 1, 1, 1}, tensor_type::f32}};
  for (int layer = 0; layer < 4; ++layer) {
    const auto prefix = "blk." + std::to_string(layer);
    model.tensors.push_back({prefix + ".attn_q.weight", {256, 256, 1, 1}, tensor_type::f16});
    model.tensors.push_back({prefix + ".ffn_up_exps.weight", {256, 256, 1, 1}, tensor_type::f16});
  }
  if (!tied) model.tensors.push_back({"output.weight", {256, 1024, 1, 1}, tensor_type::f16});
  return model;
}

OffloadRequest gpus(int count, std::int64_t layers) {
  OffloadRequest request;
  request.devices = test::generic_devices(count, gibibytes(24));
  request.gpu_layers = layers;
  return request;
}

ContextLayout four_caches() {
  ContextLayout layout;
  for (int layer = 0; layer < 4; ++layer) {
    AttentionCache cache;
    cache.key_width = cache.value_width = 64;
    cache.cells = 256;
    layout.push_back({layer, cache});
  }
  return layout;
}
const Bytes one_cache = Bytes(2) * (64 * 256 * 2);

Placement placed(const Model& model, const OffloadRequest& request) {
  const auto result = place(model, Architecture{}, four_caches(), request);
  REQUIRE(result);
  return *result;
}

}  // namespace

TEST_CASE("Without offload everything is on the host, each tensor once") {
  const auto placement = placed(four_layers(), gpus(1, 0));
  CHECK(placement.output_device == Placement::host);
  CHECK(placement.shares[0].weights == Bytes(table + 128 + 8 * weight));
  CHECK(placement.shares[1].weights == Bytes(0));
  CHECK(placement.shares[0].caches == one_cache * 4);
}

TEST_CASE("The output moves first, then layers from the end, and a tied output costs a second copy") {
  const auto output_only = placed(four_layers(), gpus(1, 1));
  CHECK(output_only.layer_devices == std::vector<int>{-1, -1, -1, -1});
  CHECK(output_only.shares[1].weights == Bytes(table));
  CHECK(output_only.shares[0].weights == Bytes(table + 128 + 8 * weight));
  const auto three = placed(four_layers(), gpus(1, 3));
  CHECK(three.layer_devices == std::vector<int>{-1, -1, 0, 0});
  // Rope frequencies on both sides.
  CHECK(three.shares[1].weights == Bytes(table + 128 + 4 * weight));
  CHECK(three.shares[1].caches == one_cache * 2);
  const auto all = placed(four_layers(false), gpus(1, 999));
  CHECK(all.shares[0].weights == Bytes(table));
  CHECK(all.shares[0].caches == Bytes(0));
}

TEST_CASE("Several devices split layers by proportion, or by memory") {
  auto request = gpus(2, 999);
  // Five places, output included: 0, 0.2, 0.4 below one half.
  CHECK(placed(four_layers(), request).layer_devices == std::vector<int>{0, 0, 0, 1});
  request.tensor_split = {3, 1};
  CHECK(placed(four_layers(), request).layer_devices == std::vector<int>{0, 0, 0, 0});
  CHECK(placed(four_layers(), request).output_device == 1);
  request.tensor_split = {0, 1};
  CHECK(placed(four_layers(), request).layer_devices == std::vector<int>{1, 1, 1, 1});
}

TEST_CASE("Experts of the first layers and caches can stay on the host") {
  auto request = gpus(1, 999);
  request.cpu_expert_layers = 2;
  request.kv_offload = false;
  const auto placement = placed(four_layers(), request);
  CHECK(placement.shares[0].weights == Bytes(table + 2 * weight));
  CHECK(placement.shares[0].caches == one_cache * 4);
  CHECK(placement.shares[1].caches == Bytes(0));
}

TEST_CASE("A weight that an override names is where it says, whatever its layer") {
  auto request = gpus(1, 999);
  request.overrides = {{R"(blk\.[01]\.ffn)", Placement::host}, {"ffn", 0}};
  const auto placement = placed(four_layers(), request);
  CHECK(placement.shares[0].weights == Bytes(table + 2 * weight));
  CHECK(device_of_weight(four_layers(), placement, request, "blk.1.ffn_up_exps.weight") == Placement::host);
  CHECK(device_of_weight(four_layers(), placement, request, "blk.2.ffn_up_exps.weight") == 0);
  request.overrides = {{"[", 0}};
  CHECK_FALSE(place(four_layers(), Architecture{}, {}, request));
}

TEST_CASE("Split by rows, each matrix is cut in groups of 128 rows and vectors stay with their layer") {
  auto request = gpus(2, 999);
  request.split_mode = SplitMode::row;
  request.tensor_split = {3, 1};
  const auto placement = placed(four_layers(false), request);
  // Three quarters of 256 rows are 192, of which one group of 128 is whole; of 1024 rows 768 are.
  CHECK(placement.shares[1].weights == Bytes(8 * weight / 2 + table / 4 * 3 + 128));
  CHECK(placement.shares[2].weights == Bytes(8 * weight / 2 + table / 4));
}

TEST_CASE("Impossible splits are wrong usage") {
  const auto code = [](const OffloadRequest& request) {
    const auto result = place(four_layers(), Architecture{}, {}, request);
    REQUIRE_FALSE(result);
    return result.error().code;
  };
  auto request = gpus(1, 1);
  request.tensor_split = {1, 1};
  CHECK(code(request) == ErrorCode::usage);
  request.tensor_split = {0};
  CHECK(code(request) == ErrorCode::usage);
  request.tensor_split = {-1};
  CHECK(code(request) == ErrorCode::usage);
  request = gpus(2, 1);
  request.devices[1].capacity = unknown<Bytes>("not said");
  CHECK(code(request) == ErrorCode::usage);
  CHECK(code(gpus(1, -1)) == ErrorCode::usage);
}
