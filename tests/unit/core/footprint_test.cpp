#include "llmsize/core/footprint.hpp"

#include <utility>

#include <catch2/catch.hpp>

#include "llmsize/core/architecture.hpp"
#include "llmsize/core/model.hpp"
#include "llmsize/core/repack.hpp"
#include "llmsize/core/scratch_closed_form.hpp"
#include "llmsize/core/weights.hpp"

using namespace llmsize;

namespace {

const TensorType q4_0{2, "q4_0", {32, 18}};
const TensorType q8_0{8, "q8_0", {32, 34}};
const TensorType q4_K{12, "q4_K", {256, 144}};

/// One layer of 2,048 x 2,048 weights, a vocabulary of 4,096, and a cache rule without a list of operations.
Model small_model(const TensorType& type, bool tied = true) {
  Model model;
  model.architecture = "made_up";
  auto& h = model.hyperparameters;
  h.set("block_count", std::int64_t{1});
  h.set("context_length", std::int64_t{8192});
  h.set("embedding_length", std::int64_t{2048});
  h.set("feed_forward_length", std::int64_t{2048});
  h.set("vocab_size", std::int64_t{4096});
  h.set("attention.head_count", std::int64_t{16});
  h.set("attention.head_count_kv", std::int64_t{4});
  model.tensors = {{"token_embd.weight", {2048, 4096, 1, 1}, type},
                   {"blk.0.attn_q.weight", {2048, 2048, 1, 1}, type},
                   {"blk.0.attn_norm.weight", {2048, 1, 1, 1}, tensor_type::f32},
                   {"blk.0.ffn_up_exps.weight", {2048, 512, 4, 1}, type}};
  if (!tied) model.tensors.push_back({"output.weight", {2048, 4096, 1, 1}, type});
  return model;
}

Architecture attention_architecture() {
  Architecture architecture;
  architecture.cache.kind = AttentionRule{};
  return architecture;
}

Footprint sized(const Model& model, const Residency& residency, const RunRequest& request = {}) {
  const auto architecture = attention_architecture();
  const auto run = resolve_run(request, model, architecture);
  REQUIRE(run);
  const auto result = footprint(model, architecture, *run, residency);
  REQUIRE(result);
  return *result;
}

Residency residency(LoadMode mode, std::vector<std::string> isa = {"avx2"}) {
  Residency result;
  result.load_mode = mode;
  result.isa = std::move(isa);
  return result;
}

Footprint parts(std::int64_t anonymous, std::int64_t file_backed, std::int64_t prompt_cache = 0) {
  Footprint result;
  result.anonymous = Bytes(anonymous);
  result.file_backed = Bytes(file_backed);
  result.prompt_cache.high = Bytes(prompt_cache);
  result.total = result.low = result.anonymous + result.file_backed;
  result.high = result.total + result.prompt_cache.high;
  return result;
}

Fact<Bytes> budget(std::int64_t bytes) {
  return overridden(Bytes(bytes), "--ram");
}

}  // namespace

TEST_CASE("Each vector unit repacks its own types in its own groups of rows") {
  constexpr std::int64_t blocks = 2048 / 32;
  const auto model = small_model(q4_0);
  // The attention weight, the experts, and a copy of the tied embedding for the output.
  const Bytes matrices = Bytes(18 * blocks) * (2048 + 4 * 512);
  const Bytes output = Bytes(18 * blocks) * 4096;
  const auto avx2 = repacking(model, {"avx2"});
  CHECK(avx2.unit == "AVX2");
  CHECK(avx2.copies == matrices + output);
  CHECK(avx2.originals == matrices);
  CHECK(repacking(small_model(q4_0, false), {"avx2"}).originals == matrices + output);
  CHECK(repacking(model, {"sse4_2"}).copies == Bytes(0));
  CHECK(repacking(small_model(q8_0), {"avx2"}).copies == Bytes(0));
  CHECK(repacking(small_model(q8_0), {"asimd", "asimddp"}).unit == "NEON");
  auto odd = model;
  odd.tensors[1].dimensions[1] = 2047;
  CHECK(repacking(odd, {"avx2"}).copies == matrices + output - Bytes(18 * blocks) * 2048);
}

TEST_CASE("AMX takes two-dimensional weights and leaves the experts to AVX-512") {
  const auto model = small_model(q4_K, false);
  constexpr std::int64_t blocks = 2048 / 256;
  const std::vector<std::string> isa{"amx_tile", "amx_int8", "avx2", "avx512f", "avx512_vnni"};
  const auto repacked = repacking(model, isa);
  CHECK(repacked.unit == "AMX");
  // 144 bytes a block, 4 more in AMX's layout.
  CHECK(repacked.copies == Bytes(148 * blocks) * (2048 + 4096) + Bytes(144 * blocks) * (4 * 512));
}

TEST_CASE("Under mmap both copies stay and without it the copies replace their originals") {
  auto model = small_model(q4_0);
  std::swap(model.tensors[2], model.tensors[3]);  // The file ends with a weight that is not repacked.
  const Bytes weights = engine_weights_size(model);
  const auto repacked = repacking(model, {"avx2"});
  const auto mapped = sized(model, residency(LoadMode::mmap));
  CHECK(mapped.weights.size == weights);
  CHECK(mapped.repacked.size == repacked.copies);
  CHECK(mapped.file_backed == weights);
  const auto loaded = sized(model, residency(LoadMode::none));
  CHECK(loaded.file_backed == Bytes(0));
  CHECK(mapped.anonymous - loaded.anonymous == repacked.originals - weights);
  auto plain = residency(LoadMode::mmap);
  plain.repack = false;
  CHECK(mapped.total - sized(model, plain).total == repacked.copies);
  const auto locked = sized(model, residency(LoadMode::mlock));
  CHECK(locked.total == mapped.total);
  CHECK(locked.locked);
}

// Seen in a load by the engine's prebuilt library: tests/engine, docs/METHOD.md "Against the real engine".
TEST_CASE("Repacked weights at either end of a mapped file are unmapped") {
  const auto model = small_model(q4_0, false);
  constexpr std::int64_t blocks = 2048 / 32;
  const auto embedding = Bytes(18 * blocks) * 4096;
  const auto attention = Bytes(18 * blocks) * 2048;
  const auto norm = Bytes(4 * 2048);
  CHECK(sized(model, residency(LoadMode::mmap)).file_backed == embedding + attention + norm);

  auto first = model;
  std::swap(first.tensors[0], first.tensors[1]);
  CHECK(sized(first, residency(LoadMode::mmap)).file_backed == embedding + norm);
  auto plain = residency(LoadMode::mmap);
  plain.repack = false;
  CHECK(sized(model, plain).file_backed == engine_weights_size(model));
}

TEST_CASE("Totals are the sums of their parts, and the prompt cache counts in high only") {
  const auto f = sized(small_model(q4_0), residency(LoadMode::mmap));
  CHECK(f.total == f.anonymous + f.file_backed);
  CHECK(f.anonymous ==
        f.repacked.size + f.kv_cache.size + f.state.size + f.compute.size + f.output.size + f.runtime.size);
  CHECK(f.low <= f.total);
  CHECK(f.high >= f.total + mebibytes(8192));
  CHECK(f.output.size == Bytes(4 * 4096 * 4));  // Four slots, 4,096 logits of 4 bytes.
  CHECK(f.kv_cache.size == Bytes(2 * 2) * (8192 * 4 * 128));
  RunRequest bench;
  bench.tool = Tool::bench;
  CHECK(sized(small_model(q4_0), residency(LoadMode::mmap), bench).prompt_cache.high == Bytes(0));
}

TEST_CASE("An architecture nobody described keeps exact weights and unknown caches") {
  const auto model = small_model(q4_0);
  const auto run = resolve_run({}, model, Architecture{});
  REQUIRE(run);
  const auto f = footprint(model, Architecture{}, *run, residency(LoadMode::mmap));
  REQUIRE(f);
  CHECK(f->weights.size == engine_weights_size(model));
  CHECK_FALSE(f->kv_cache.known);
  CHECK_FALSE(f->compute.known);
  CHECK_FALSE(f->notes.empty());
  CHECK(judge(*f, budget(std::int64_t{1} << 40), "--ram").fit == Fit::unknown);
  CHECK(judge(*f, budget(1000), "--ram").fit == Fit::cannot);
}

TEST_CASE("Three verdicts name the limit and the headroom") {
  const auto f = parts(100, 1000);
  CHECK(judge(f, budget(1100), "--ram").fit == Fit::resident);
  CHECK(judge(f, budget(1099), "--ram").fit == Fit::pages_from_disk);
  CHECK(judge(f, budget(100), "--ram").fit == Fit::pages_from_disk);
  CHECK(judge(f, budget(99), "--ram").fit == Fit::cannot);
  CHECK(judge(f, budget(99), "cgroup").bound_by == "cgroup");
  CHECK(judge(f, budget(1000), "--ram").headroom == Bytes(-100));
  CHECK(judge(f, unknown<Bytes>("not said"), "").fit == Fit::unknown);
  auto locked = f;
  locked.locked = true;
  CHECK(judge(locked, budget(1099), "--ram").fit == Fit::cannot);
}

TEST_CASE("A verdict says when only the prompt cache decides it") {
  const auto f = parts(100, 1000, 500);
  CHECK_FALSE(judge(f, budget(1600), "--ram").prompt_cache_decides);
  const auto tight = judge(f, budget(1100), "--ram");
  CHECK(tight.fit == Fit::pages_from_disk);
  CHECK(tight.prompt_cache_decides);
}

TEST_CASE("Without a list of operations the scratch is an interval around the closed form") {
  const auto f = sized(small_model(tensor_type::f16), residency(LoadMode::mmap));
  CHECK(f.scratch.low < f.scratch.size);
  CHECK(f.scratch.size < f.scratch.high);
  CHECK(f.scratch.source.find("closed form") != std::string::npos);
  CHECK(f.compute.low == f.scratch.low);
}

TEST_CASE("Absurd shapes saturate into an error") {
  auto model = small_model(q4_0);
  model.hyperparameters.set("embedding_length", std::int64_t{1} << 60);
  model.hyperparameters.set("vocab_size", std::int64_t{1} << 60);
  const auto architecture = attention_architecture();
  const auto run = resolve_run({}, model, architecture);
  REQUIRE(run);
  const auto result = footprint(model, architecture, *run, residency(LoadMode::mmap));
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::overflow);
}
