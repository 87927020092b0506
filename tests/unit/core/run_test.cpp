#include "llmsize/core/run.hpp"

#include <catch2/catch.hpp>

#include "llmsize/core/architecture.hpp"
#include "llmsize/core/model.hpp"

using namespace llmsize;

namespace {

const TensorType q8_0{8, "q8_0", {32, 34}};

Model model_with(std::int64_t trained, std::int64_t head_size = 128) {
  Model model;
  model.architecture = "llama";
  model.hyperparameters.set("block_count", std::int64_t{2});
  model.hyperparameters.set("context_length", trained);
  model.hyperparameters.set("attention.key_length", head_size);
  model.hyperparameters.set("attention.value_length", head_size);
  return model;
}

Run resolved(const RunRequest& request, const Model& model = model_with(131072)) {
  const auto run = resolve_run(request, model, Architecture{});
  REQUIRE(run);
  return *run;
}

ErrorCode refusal(const RunRequest& request, const Model& model = model_with(131072),
                  const Architecture& architecture = {}) {
  const auto run = resolve_run(request, model, architecture);
  REQUIRE_FALSE(run);
  CHECK_FALSE(run.error().hint.empty());
  return run.error().code;
}

}  // namespace

TEST_CASE("Absent settings take llama-server's defaults") {
  const auto run = resolved({});
  CHECK(run.context_tokens == 8192);
  CHECK(run.sequences == 4);
  CHECK(run.kv_unified);
  CHECK(run.streams == 1);
  CHECK(run.batch_tokens == 2048);
  CHECK(run.ubatch_tokens == 512);
  CHECK(run.output_rows == 4);
  CHECK(run.flash_attention);
  CHECK(run.notes.empty());
  CHECK(resolved({}, model_with(2048)).context_tokens == 2048);
  CHECK(resolved({}, model_with(0)).context_tokens == 8192);
}

TEST_CASE("Contexts are padded to 256 cells, per stream where slots do not share") {
  RunRequest request;
  request.context_tokens = 1000;
  CHECK(resolved(request).sequence_context == 1024);
  request.parallel = 3;
  const auto split = resolved(request);
  CHECK_FALSE(split.kv_unified);
  CHECK(split.streams == 3);
  CHECK(split.sequence_context == 512);  // 1024 / 3 = 341, padded.
  CHECK(split.padded_context == 1536);
  CHECK(split.notes.size() == 1);
  request.kv_unified = true;
  CHECK(resolved(request).sequence_context == 1024);
}

TEST_CASE("A micro-batch is no larger than the batch and the context, and whole per sequence") {
  RunRequest request;
  request.context_tokens = 100;
  CHECK(resolved(request).ubatch_tokens == 100);
  request.context_tokens = 4096;
  request.batch_tokens = 64;
  CHECK(resolved(request).ubatch_tokens == 64);
  request.batch_tokens.reset();
  request.parallel = 3;
  CHECK(resolved(request).prompt_tokens == 513);
  request.tool = Tool::bench;
  CHECK(resolved(request).output_rows == 513);
  request.tool = Tool::server;
  request.draft_tokens = 16;
  CHECK(resolved(request).output_rows == 51);
}

TEST_CASE("Nonsense counts are wrong usage") {
  for (const std::int64_t bad : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 40}) {
    RunRequest request;
    request.context_tokens = bad;
    CHECK(refusal(request) == ErrorCode::usage);
    request = {};
    request.ubatch_tokens = bad;
    CHECK(refusal(request) == ErrorCode::usage);
    request = {};
    request.batch_tokens = bad;
    CHECK(refusal(request) == ErrorCode::usage);
    request = {};
    request.parallel = bad;
    CHECK(refusal(request) == ErrorCode::usage);
  }
  RunRequest many;
  many.parallel = 257;  // LLAMA_MAX_SEQ is 256.
  CHECK(refusal(many) == ErrorCode::usage);
}

TEST_CASE("What the engine refuses is refused with the reason") {
  RunRequest quantized;
  quantized.cache_type_k = q8_0;
  quantized.cache_type_v = q8_0;
  CHECK(resolved(quantized).cache_type_v == q8_0);
  // phi-2 and EXAONE 3.5 2.4B have heads of 80: the recorded engine refuses q8_0.
  CHECK(refusal(quantized, model_with(131072, 80)) == ErrorCode::refused_by_engine);
  Architecture without_flash_attention;
  without_flash_attention.cache.flash_attention = false;
  CHECK(refusal(quantized, model_with(131072), without_flash_attention) == ErrorCode::refused_by_engine);
  quantized.flash_attention = FlashAttention::off;
  CHECK(refusal(quantized) == ErrorCode::refused_by_engine);

  auto latent = model_with(131072, 576);
  latent.hyperparameters.set("attention.key_length_mla", std::int64_t{192});
  latent.hyperparameters.set("attention.value_length_mla", std::int64_t{128});
  RunRequest unequal;
  unequal.cache_type_k = q8_0;
  CHECK(refusal(unequal, latent) == ErrorCode::refused_by_engine);
}

TEST_CASE("A context beyond the trained one is a note") {
  RunRequest request;
  request.context_tokens = 16384;
  CHECK(resolved(request, model_with(8192)).notes.size() == 1);
}
