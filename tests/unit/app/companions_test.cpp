#include "llmsize/app/companions.hpp"

#include <catch2/catch.hpp>

#include "llmsize/app/sizing.hpp"
#include "llmsize/catalog/types.hpp"
#include "support/closed_world.hpp"
#include "support/generic_devices.hpp"
#include "support/gguf_builder.hpp"
#include "support/memory_files.hpp"

using namespace llmsize;

namespace {

constexpr std::int64_t width = 1536;  // Of qwen2.5-1.5b.
constexpr std::int64_t rank = 16;

/// One pair for the queries of each of `layers` layers, F32.
std::string adapter_file(int layers, std::uint64_t inner) {
  test::GgufBuilder builder;
  builder.text("general.architecture", "qwen2").text("general.type", "adapter");
  for (int layer = 0; layer < layers; ++layer) {
    const auto weight = "blk." + std::to_string(layer) + ".attn_q.weight";
    builder.tensor(weight + ".lora_a", {inner, rank}, 0, inner * rank * 4);
    builder.tensor(weight + ".lora_b", {rank, width}, 0, rank * width * 4);
  }
  return builder.build();
}

std::string projector_file() {
  return test::GgufBuilder()
      .text("general.architecture", "clip")
      .number<std::uint32_t>("clip.vision.image_size", 336)
      .number<std::uint32_t>("clip.vision.patch_size", 14)
      .number<std::uint32_t>("clip.vision.embedding_length", 64)
      .number<std::uint32_t>("clip.vision.feed_forward_length", 256)
      .number<std::uint32_t>("clip.vision.attention.head_count", 4)
      .tensor("v.blk.0.attn_q.weight", {64, 64}, 1, 64 * 64 * 2)
      .build();
}

struct World {
  test::MemoryFiles files{{"/a.gguf", adapter_file(28, width)},
                          {"/other.gguf", adapter_file(1, width * 2)},
                          {"/mmproj.gguf", projector_file()}};
  test::NoWriter writer;
  test::NoEnvironment environment;
  catalog::Catalog catalog = catalog::Catalog::embedded();
  TypeTable types = *catalog::load_tensor_types(catalog);
  app::Services services{files, writer, environment, catalog, types};
  app::SizingRequest request;

  World() {
    request.model = "qwen2.5-1.5b-instruct";
    request.quant = "Q8_0";
  }
  [[nodiscard]] Footprint sized() const {
    const auto sizing = app::size_model(services, request);
    if (!sizing) FAIL(sizing.error().message);
    return sizing->footprint;
  }
};

}  // namespace

TEST_CASE("An adapter's pairs lie where the weights that they change are") {
  World world;
  const auto without = world.sized();
  world.request.companions.adapters = {"/a.gguf"};
  const Bytes pair = Bytes(rank * (width + width) * 4);
  const auto on_host = world.sized();
  CHECK(on_host.adapters.size == pair * 28);
  CHECK(on_host.total == without.total + pair * 28);
  CHECK(on_host.anonymous == without.anonymous + pair * 28);

  world.request.offload.devices = test::generic_devices(1, gibibytes(24));
  world.request.offload.gpu_layers = 11;  // The output and ten layers.
  const auto split = world.sized();
  CHECK(split.devices[0].companions.size == pair * 10);
  CHECK(split.host.companions.size == pair * 18);
}

TEST_CASE("An adapter of another model is refused, as the engine refuses it") {
  World world;
  world.request.companions.adapters = {"/other.gguf"};
  const auto sizing = app::size_model(world.services, world.request);
  REQUIRE_FALSE(sizing);
  CHECK(sizing.error().message.find("attn_q") != std::string::npos);
  world.request.companions.adapters = {"/mmproj.gguf"};
  CHECK_FALSE(app::size_model(world.services, world.request));
}

TEST_CASE("A projector counts its weights and the scratch of its largest image as an interval") {
  World world;
  world.request.companions.projector = "/mmproj.gguf";
  const auto f = world.sized();
  // 24 x 24 patches. A layer's widest step: two halves of 256 beside two rows of 64, in F32.
  const std::int64_t step = 24 * 24 * (2 * 256 + 2 * 64) * 4;
  const std::int64_t scores = 4 * (24 * 24) * (24 * 24) * 4;
  const std::int64_t weights = 64 * 64 * 2;
  CHECK(f.projector.size == Bytes(weights + step));
  CHECK(f.projector.low == Bytes(weights + step / 2));
  CHECK(f.projector.high == Bytes(weights + 2 * step));
  // Without flash attention the scores are kept, and once more after the softmax.
  world.request.run.flash_attention = FlashAttention::off;
  CHECK(world.sized().projector.high == Bytes(weights + step + 2 * scores));
}

TEST_CASE("A draft model brings weights and a cache of the target's context, and rows of logits to check") {
  World world;
  const auto alone = world.sized();
  world.request.companions.draft_model = "qwen2.5-0.5b-instruct";
  world.request.companions.draft_quant = "Q8_0";
  const auto with_draft = world.sized();
  app::SizingRequest draft;
  draft.model = "qwen2.5-0.5b-instruct";
  draft.quant = "Q8_0";
  draft.residency.prompt_cache_cap = Bytes(0);
  const auto own = app::size_model(world.services, draft)->footprint;
  CHECK(with_draft.draft.size == own.total);
  CHECK(with_draft.total == alone.total + own.total + (with_draft.compute.size - alone.compute.size) +
                                (with_draft.output.size - alone.output.size));
  // Four slots with three drafted tokens each instead of four rows.
  CHECK(with_draft.output.size == alone.output.size * 4);
}

TEST_CASE("Next-token layers count only where they are used") {
  World world;
  world.request.model = "glm-4.5-air";
  world.request.quant = "Q4_K_M";
  const auto unused = world.sized();
  world.request.companions.next_token_layers = true;
  const auto used = world.sized();
  const auto model = app::size_model(world.services, world.request)->model;
  Bytes weights;
  for (const auto& tensor : model.tensors)
    if (layer_of(tensor.name) >= model.hyperparameters.main_layer_count()) weights += buffer_size(tensor);
  CHECK(unused.draft.size == Bytes(0));
  // One more layer like the 46 others, whose cache is as large as theirs, and a graph.
  CHECK(used.draft.low == weights + Bytes(unused.kv_cache.size.value() / 46));
  CHECK(used.draft.size > used.draft.low);
  world.request.model = "qwen2.5-1.5b-instruct";
  CHECK_FALSE(app::size_model(world.services, world.request));
}

TEST_CASE("What runs around the engine is what the user says, and nothing otherwise") {
  World world;
  const auto alone = world.sized();
  CHECK(alone.orchestration.size == Bytes(0));
  world.request.companions.orchestration = gibibytes(2);
  CHECK(world.sized().total == alone.total + gibibytes(2));
}
