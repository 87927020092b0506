// The cache rules of data/architectures, against cache tensors in the reference engine's recorded graphs
// (llama.cpp v0.5.0, graphs of small models; the graph's name stands beside each figure).
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/architecture_sections.hpp"
#include "llmsize/catalog/architectures.hpp"
#include "llmsize/catalog/models.hpp"
#include "llmsize/core/cache.hpp"
#include "llmsize/core/model.hpp"

using namespace llmsize;

namespace {

using Values = std::map<std::string, Hyperparameters::Value>;
using Integers = std::vector<std::int64_t>;

/// What the small models share: two layers, heads of 128, two of them for keys and values.
Model small_model(const std::string& architecture, const Values& values) {
  Model model;
  model.architecture = architecture;
  auto& h = model.hyperparameters;
  h.set("block_count", std::int64_t{2});
  h.set("context_length", std::int64_t{256});
  h.set("embedding_length", std::int64_t{256});
  h.set("attention.head_count", std::int64_t{2});
  h.set("attention.head_count_kv", std::int64_t{2});
  h.set("attention.key_length", std::int64_t{128});
  h.set("attention.value_length", std::int64_t{128});
  for (const auto& [key, value] : values) h.set(key, value);
  return model;
}

/// The recorded graphs' third setting: four sequences, unified, 2,048 tokens, full windows.
Run recorded_run() {
  Run run;
  run.context_tokens = run.padded_context = run.sequence_context = 2048;
  run.sequences = 4;
  run.ubatch_tokens = 256;
  run.swa_full = true;
  return run;
}

Result<ContextLayout> layout_of(const Model& model, const Run& run) {
  static const auto catalogs = catalog::Catalog::embedded();
  const auto architecture = catalog::load_architecture(catalogs, model.architecture);
  if (!architecture) return tl::unexpected(architecture.error());
  return context_layout(model, *architecture, run);
}

/// "layer:bytes" of each entry.
std::vector<std::string> sizes(const std::string& architecture, const Values& values,
                               const Run& run = recorded_run()) {
  const auto layout = layout_of(small_model(architecture, values), run);
  if (!layout) return {layout.error().message};
  std::vector<std::string> result;
  for (const auto& entry : *layout)
    result.push_back(std::to_string(entry.layer) + ":" +
                     std::to_string(allocated_size(entry.memory).value()));
  return result;
}

using Sizes = std::vector<std::string>;

}  // namespace

TEST_CASE("Every architecture of the catalog has a cache rule") {
  const auto catalogs = catalog::Catalog::embedded();
  const auto all = catalogs.list("architecture");
  CHECK(all.size() >= 127);
  for (const auto& entry : all) {
    CAPTURE(entry.id);
    const auto architecture = catalog::load_architecture(catalogs, entry.id);
    REQUIRE(architecture);
    CHECK_FALSE(std::holds_alternative<UnknownCacheRule>(architecture->cache.kind));
  }
}

TEST_CASE("Attention caches equal those of recorded graphs") {
  // xverse-dense.3: K and V of 1,048,576 bytes on each layer.
  CHECK(sizes("xverse", {}) == Sizes{"0:2097152", "1:2097152"});
  // dream-dense.3: no cache tensors.
  CHECK(sizes("dream", {}).empty());
  // hrm_text-dense.3: eight slots of two layers.
  CHECK(sizes("hrm_text", {{"block_count", std::int64_t{8}}}).size() == 8);
  // deepseek2-moe.3: one latent vector of 576 elements per token.
  const Values latent{{"attention.key_length", std::int64_t{576}},
                      {"attention.value_length", std::int64_t{512}},
                      {"attention.head_count_kv", std::int64_t{1}},
                      {"attention.key_length_mla", std::int64_t{192}},
                      {"attention.value_length_mla", std::int64_t{128}}};
  CHECK(sizes("deepseek2", latent) == Sizes{"0:2359296", "1:2359296"});
  // minimax-m3-moe.1 (one sequence, 1,024 tokens): an indexer cache of 262,144 bytes of keys on layer 1,
  // which the engine allocates with values as wide as a head besides.
  auto one = recorded_run();
  one.sequence_context = 1024;
  CHECK(sizes("minimax-m3",
              {{"leading_dense_block_count", std::int64_t{1}},
               {"attention.indexer.key_length", std::int64_t{128}}},
              one) == Sizes{"0:1048576", "1:1048576", "1:524288"});
}

TEST_CASE("Recurrent states equal those of recorded graphs") {
  const Values mamba{{"ssm.conv_kernel", std::int64_t{4}},
                     {"ssm.inner_size", std::int64_t{512}},
                     {"ssm.state_size", std::int64_t{128}},
                     {"ssm.group_count", std::int64_t{2}}};
  // mamba-dense.3: 24,576 + 1,048,576; it reads no groups. mamba2-dense.3: 49,152 + 1,048,576.
  CHECK(sizes("mamba", mamba) == Sizes{"0:1073152", "1:1073152"});
  CHECK(sizes("mamba2", mamba) == Sizes{"0:1097728", "1:1097728"});
  // minimax-01-moe.3: no window, a state of 524,288; the default interval would make both layers recurrent.
  CHECK(sizes("minimax-01", {{"attention.recurrent_layers", Integers{1, 0}}}) ==
        Sizes{"0:524288", "1:2097152"});
  // kimi-linear-moe.3: a latent cache, then 18,432 + 262,144.
  CHECK(sizes("kimi-linear", {{"attention.key_length", std::int64_t{576}},
                              {"attention.value_length", std::int64_t{512}},
                              {"attention.key_length_mla", std::int64_t{192}},
                              {"attention.value_length_mla", std::int64_t{128}},
                              {"attention.head_count", Integers{1, 0}},
                              {"attention.head_count_kv", Integers{1, 0}},
                              {"ssm.conv_kernel", std::int64_t{4}},
                              {"kda.head_dim", std::int64_t{128}}}) == Sizes{"0:2359296", "1:280576"});
}

TEST_CASE("DeepSeek-V4 keeps windows, compressed keys and compressors per sequence") {
  auto run = recorded_run();
  const auto found = sizes("deepseek4",
                           {{"block_count", std::int64_t{4}},
                            {"attention.key_length", std::int64_t{64}},
                            {"attention.head_count_kv", std::int64_t{1}},
                            {"attention.sliding_window", std::int64_t{32}},
                            {"attention.indexer.key_length", std::int64_t{128}},
                            {"attention.compress_ratios", Integers{0, 0, 4, 128}}},
                           run);
  // deepseek4-moe.3: raw keys 1,048,576 on each layer; layer 2: 262,144, the indexer's 524,288, two states of
  // 2 x 16,384 and 2 x 32,768; layer 3: 131,072 and 2 x 131,072.
  CHECK(found == Sizes{"0:1048576", "1:1048576", "2:1048576", "2:262144", "2:524288", "2:32768", "2:65536",
                       "3:1048576", "3:131072", "3:262144"});
}

TEST_CASE("Windows are as wide as the engine makes them") {
  auto run = recorded_run();
  run.swa_full = false;
  run.context_tokens = run.padded_context = run.sequence_context = 8192;
  const auto cells = [&](const std::string& architecture, const Values& values) {
    std::vector<std::int64_t> result;
    const auto layout = layout_of(small_model(architecture, values), run);
    REQUIRE(layout);
    for (const auto& entry : *layout) result.push_back(std::get<AttentionCache>(entry.memory).cells);
    return result;
  };
  const Values window{{"attention.sliding_window", std::int64_t{512}}};
  // By hand from the rule: four windows of 512 in one stream and a micro-batch of 256 make 2,304 cells.
  CHECK(cells("gpt-oss", window) == Integers{2304, 8192});
  CHECK(cells("laguna", window) == Integers{8192, 2304});
  CHECK(cells("gemma3", {}) == Integers{8192, 8192});
  // Its own width of 4,096 whatever the file says: 4 x 4,096 is more than the context.
  CHECK(cells("smallthinker", window) == Integers{8192, 8192});
  CHECK(cells("exaone4", window) == Integers{8192, 8192});
  Values listed = window;
  listed["attention.sliding_window_pattern"] = Integers{0, 1};
  CHECK(cells("gpt-oss", listed) == Integers{8192, 2304});
  run.kv_unified = false;
  run.streams = 4;
  run.sequence_context = 2048;
  CHECK(cells("gpt-oss", window) == Integers{768, 2048});
}

TEST_CASE("A window or pattern that the engine needs is asked for") {
  auto file = small_model("gpt-oss", {});
  file.source = ModelSource::gguf;
  const auto without = layout_of(file, recorded_run());
  REQUIRE_FALSE(without);
  CHECK(without.error().code == ErrorCode::refused_by_engine);
  CHECK(without.error().message.find("attention.sliding_window") != std::string::npos);
  const auto pattern =
      layout_of(small_model("mimo2", {{"attention.sliding_window", std::int64_t{128}}}), recorded_run());
  REQUIRE_FALSE(pattern);
  CHECK(pattern.error().message.find("sliding_window_pattern") != std::string::npos);
}

TEST_CASE("Values of different widths are stored at the widest without flash attention") {
  auto run = recorded_run();
  run.flash_attention = false;
  // As for Nemotron Super 49B's layers without attention, which own values then (recorded: 31 layers of 80).
  CHECK(sizes("deci", {{"attention.head_count_kv", Integers{2, 0}}}, run) == Sizes{"0:2097152", "1:1048576"});
  run.flash_attention = true;
  CHECK(sizes("deci", {{"attention.head_count_kv", Integers{2, 0}}}, run) == Sizes{"0:2097152"});
}

TEST_CASE("Damaged hyperparameters are refused, not sized") {
  CHECK_FALSE(layout_of(small_model("llama", {{"block_count", std::int64_t{100000}}}), recorded_run()));
  CHECK_FALSE(
      layout_of(small_model("llama", {{"attention.head_count_kv", std::int64_t{-1}}}), recorded_run()));
  const auto huge =
      layout_of(small_model("llama", {{"attention.head_count_kv", std::int64_t{1} << 62}}), recorded_run());
  if (huge) CHECK(context_size(*huge, 1).caches.is_saturated());
}

TEST_CASE("Active tokens occupy part of the capacity") {
  const auto layout = layout_of(small_model("llama", {}), recorded_run());
  REQUIRE(layout);
  const auto size = context_size(*layout, 100);
  CHECK(size.caches == Bytes(4194304));
  CHECK(size.active == Bytes(100 * 2 * 2 * 256 * 2));  // Layers, K and V, elements, bytes.
  CHECK(context_size(*layout, 1000000).active == size.caches);
}

TEST_CASE("A cache section with a mistake is refused with its name") {
  const auto message = [](const char* text) {
    const auto rule = catalog::parse_cache_rule(nlohmann::json::parse(text));
    return rule ? std::string("accepted") : rule.error().message;
  };
  CHECK(message(R"({})") == "accepted");
  CHECK(message(R"({"kind": "atention"})").find("\"atention\"") != std::string::npos);
  CHECK(message(R"({"kind": "attention", "sliding_window": {"perod": 4}})").find("perod") !=
        std::string::npos);
  CHECK(message(R"({"kind": "attention", "sliding_window": {"period": -4}})").find("negative") !=
        std::string::npos);
  CHECK(message(R"({"kind": "recurrent"})").find("state") != std::string::npos);
  CHECK(message(R"({"kind": "hybrid", "state": "mamba", "interval": "4"})").find("interval") !=
        std::string::npos);
  CHECK(message(R"([])").find("object") != std::string::npos);
}

TEST_CASE("Every model of the catalog whose architecture has templates can be given a context") {
  const auto catalogs = catalog::Catalog::embedded();
  std::string failures;
  for (const auto& entry : catalogs.list("model")) {
    const auto model = catalog::load_model(catalogs, entry);
    if (!model) continue;
    const auto architecture = catalog::load_architecture(catalogs, model->architecture);
    REQUIRE(architecture);
    const auto run = resolve_run({}, *model, *architecture);
    const auto layout = run ? context_layout(*model, *architecture, *run) : tl::unexpected(run.error());
    // What no source states is not guessed: weights are sized, caches stay unknown.
    if (!layout && layout.error().code == ErrorCode::unsupported) continue;
    if (!layout) failures += std::string(entry.id) + ": " + layout.error().message + '\n';
  }
  CHECK(failures == "");
}
