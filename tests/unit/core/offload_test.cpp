#include "llmsize/core/offload.hpp"

#include <catch2/catch.hpp>

#include "llmsize/core/architecture.hpp"
#include "llmsize/core/model.hpp"
#include "support/generic_devices.hpp"

using namespace llmsize;

namespace {

constexpr std::int64_t matrix = 1024 * 1024 * 2;

/// Eight layers of 2 MiB, of which half are experts' where there are any, and an output of 2 MiB.
Model eight_layers(bool experts) {
  Model model;
  model.architecture = "llama";
  model.hyperparameters.set("block_count", std::int64_t{8});
  if (experts) model.hyperparameters.set("expert_count", std::int64_t{4});
  model.tensors = {{"token_embd.weight", {1024, 1024, 1, 1}, tensor_type::f16}};
  for (int layer = 0; layer < 8; ++layer) {
    const auto prefix = "blk." + std::to_string(layer);
    model.tensors.push_back({prefix + ".attn_q.weight", {1024, 512, 1, 1}, tensor_type::f16});
    model.tensors.push_back(
        {prefix + (experts ? ".ffn_up_exps.weight" : ".ffn_up.weight"), {1024, 512, 1, 1}, tensor_type::f16});
  }
  model.tensors.push_back({"output.weight", {1024, 1024, 1, 1}, tensor_type::f16});
  return model;
}

struct Chosen {
  std::int64_t gpu_layers, expert_layers;
  friend bool operator==(const Chosen&, const Chosen&) = default;
};

/// What is chosen where the device has room for `matrices` of 2 MiB beside the margin.
Chosen chosen(const Model& model, std::int64_t matrices, OffloadRequest request = {}) {
  request.devices = test::generic_devices(1, request.fit_margin + Bytes(matrix * matrices));
  if (request.gpu_layers == 0) request.gpu_layers = fitting_gpu_layers;
  const auto spread = fit_model({model, Architecture{}, {}, nullptr, {}}, request);
  REQUIRE(spread);
  return {spread->request.gpu_layers, spread->request.cpu_expert_layers};
}

}  // namespace

TEST_CASE("As many layers move as fit beside the margin, the output first") {
  CHECK(chosen(eight_layers(false), 20) == Chosen{9, 0});
  CHECK(chosen(eight_layers(false), 9) == Chosen{9, 0});
  CHECK(chosen(eight_layers(false), 8) == Chosen{8, 0});
  CHECK(chosen(eight_layers(false), 1) == Chosen{1, 0});
  CHECK(chosen(eight_layers(false), 0) == Chosen{0, 0});
}

TEST_CASE("Of a model with experts every layer moves, and as few experts as needed stay") {
  CHECK(chosen(eight_layers(true), 9) == Chosen{9, 0});
  // Attention and output are 5 matrices; each layer's experts half of one.
  CHECK(chosen(eight_layers(true), 8) == Chosen{9, 2});
  CHECK(chosen(eight_layers(true), 5) == Chosen{9, 8});
  CHECK(chosen(eight_layers(true), 4) == Chosen{7, 8});
}

TEST_CASE("The most layers that fit beside their scratch are found, as trying each number finds them") {
  const auto model = eight_layers(false);
  Scratch scratch;
  scratch.size = scratch.low = scratch.high = Bytes(matrix * 3);
  const Architecture architecture;
  const ContextLayout nothing;
  const OffloadSubject subject{model, architecture, nothing, nullptr, scratch};
  for (std::int64_t room = 2; room <= 13; ++room) {
    OffloadRequest request;
    request.devices = test::generic_devices(1, request.fit_margin + Bytes(matrix * room));
    std::int64_t most = 0;
    for (request.gpu_layers = 1; request.gpu_layers <= 9; ++request.gpu_layers) {
      const auto spread = spread_model(subject, request);
      REQUIRE(spread);
      if (spread->devices[0].high() <= Bytes(matrix * room)) most = request.gpu_layers;
    }
    request.gpu_layers = fitting_gpu_layers;
    CHECK(fit_model(subject, request)->request.gpu_layers == most);
  }
}

TEST_CASE("Where the user placed weights, every layer moves, as in the engine") {
  OffloadRequest request;
  request.tensor_split = {1};
  CHECK(chosen(eight_layers(false), 1, request) == Chosen{9, 0});
  request = {};
  request.gpu_layers = all_gpu_layers;
  CHECK(chosen(eight_layers(false), 1, request) == Chosen{9, 0});
}

TEST_CASE("A verdict names the device that is too small and keeps every memory's headroom") {
  Footprint f;
  f.anonymous = f.total = Bytes(1000);
  f.high = Bytes(1000) + Bytes(700) + Bytes(300);
  f.elsewhere = f.elsewhere_high = Bytes(1000);
  for (const std::int64_t need : {700, 300}) {
    DeviceMemory device;
    device.device = "GPU" + std::to_string(f.devices.size());
    device.weights = Bytes(need);
    device.capacity = overridden(Bytes(600), "--gpu");
    f.devices.push_back(device);
  }
  const auto verdict = judge(f, overridden(Bytes(2000), "--ram"), "--ram");
  CHECK(verdict.fit == Fit::cannot);
  CHECK(verdict.bound_by == "GPU0");
  CHECK(verdict.headroom == Bytes(-100));
  REQUIRE(verdict.places.size() == 3);
  CHECK(verdict.places[0].headroom == Bytes(1000));
  CHECK(verdict.places[2].headroom == Bytes(300));

  f.devices[0].capacity = overridden(Bytes(800), "--gpu");
  const auto fits = judge(f, overridden(Bytes(2000), "--ram"), "--ram");
  CHECK(fits.fit == Fit::resident);
  CHECK(fits.bound_by == "GPU0");
  CHECK(fits.headroom == Bytes(100));
  CHECK(judge(f, overridden(Bytes(900), "--ram"), "--ram").bound_by == "--ram");
}
