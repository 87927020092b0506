#include <string>

#include <catch2/catch.hpp>

#include "llmsize/core/architecture.hpp"
#include "llmsize/core/graph.hpp"
#include "llmsize/core/model.hpp"

using namespace llmsize;

namespace {

std::vector<GraphStep> steps(std::initializer_list<const char*> texts) {
  std::vector<GraphStep> parsed;
  for (const char* text : texts) parsed.push_back(*parse_graph_step(text));
  return parsed;
}

Architecture llama_like() {
  Architecture architecture;
  architecture.id = "llama";
  architecture.graph.input = steps({"embedding"});
  architecture.graph.layer = steps({"save residual", "norm attn_norm", "attention", "rows current residual",
                                    "add residual", "save residual", "norm ffn_norm", "ffn", "add residual"});
  architecture.graph.output = steps({"norm output_norm", "head"});
  return architecture;
}

void add_tensor(Model& model, const std::string& name, std::int64_t d0, std::int64_t d1 = 1) {
  model.tensors.push_back({name, {d0, d1, 1, 1}, tensor_type::f32});
}

/// The shape of the small llama for which the engine's compute buffers were recorded: two layers, width 256,
/// two heads of 128, hidden width 384, vocabulary 128.
Model small_llama() {
  Model model;
  auto& hyper = model.hyperparameters;
  hyper.set("block_count", std::int64_t{2});
  hyper.set("embedding_length", std::int64_t{256});
  hyper.set("attention.head_count", std::int64_t{2});
  hyper.set("attention.head_count_kv", std::int64_t{2});
  add_tensor(model, "token_embd.weight", 256, 128);
  add_tensor(model, "output_norm.weight", 256);
  add_tensor(model, "output.weight", 256, 128);
  for (int layer = 0; layer < 2; ++layer) {
    const std::string prefix = "blk." + std::to_string(layer) + '.';
    for (const char* norm : {"attn_norm", "ffn_norm"}) add_tensor(model, prefix + norm + ".weight", 256);
    for (const char* square : {"attn_q", "attn_k", "attn_v", "attn_output"}) {
      add_tensor(model, prefix + square + ".weight", 256, 256);
      add_tensor(model, prefix + square + ".bias", 256);
    }
    for (const char* wide : {"ffn_gate", "ffn_up"}) add_tensor(model, prefix + wide + ".weight", 256, 384);
    add_tensor(model, prefix + "ffn_down.weight", 384, 256);
  }
  return model;
}

Run run_of(std::int64_t context, std::int64_t tokens, std::int64_t rows, bool flash_attention) {
  Run run;
  run.context_tokens = run.padded_context = run.sequence_context = context;
  run.ubatch_tokens = run.prompt_tokens = tokens;
  run.output_rows = rows;
  run.flash_attention = flash_attention;
  return run;
}

ContextLayout layout_of(std::int64_t cells) {
  AttentionCache cache;
  cache.key_width = cache.value_width = 256;
  cache.cells = cells;
  ContextLayout layout;
  for (int layer = 0; layer < 2; ++layer) layout.push_back({layer, cache});
  return layout;
}

std::int64_t scratch_of(const Model& model, const Run& run) {
  const auto scratch = compute_scratch(model, llama_like(), run, layout_of(run.sequence_context));
  if (!scratch) FAIL(scratch.error().message);
  return scratch->size.value();
}

}  // namespace

TEST_CASE("A small llama's compute buffer is the engine's own") {
  // Measured: recorded graphs llama-dense.1 to .3 (llama.cpp v0.5.0, "# compute").
  const Model model = small_llama();
  CHECK(scratch_of(model, run_of(1024, 128, 1, true)) == 1182752);
  CHECK(scratch_of(model, run_of(1024, 128, 128, false)) == 2492928);
  CHECK(scratch_of(model, run_of(2048, 256, 4, true)) == 2889760);
}

TEST_CASE("Scratch is reported by named part") {
  const auto scratch =
      compute_scratch(small_llama(), llama_like(), run_of(1024, 128, 128, false), layout_of(1024));
  REQUIRE(scratch.has_value());
  const auto part = [&](const std::string& name) {
    for (const auto& candidate : scratch->parts)
      if (candidate.name == name) return candidate.size.value();
    return std::int64_t{-1};
  };
  CHECK(part("attention_scores") == 4 * 1024 * 128 * 2);  // F32, cells x tokens x heads.
  CHECK(part("ffn_gate") == 4 * 384 * 128);
  CHECK(part("logits") == 4 * 128 * 128);
  CHECK(part("residual") == 4 * 256 * 128);
}

TEST_CASE("A model without a weight that a block needs is refused by name") {
  Model model = small_llama();
  std::erase_if(model.tensors, [](const Tensor& tensor) { return tensor.name == "blk.1.attn_k.weight"; });
  const auto scratch = compute_scratch(model, llama_like(), run_of(1024, 128, 1, true), layout_of(1024));
  REQUIRE_FALSE(scratch.has_value());
  CHECK(scratch.error().code == ErrorCode::unsupported);
  CHECK(scratch.error().message == "the model has no tensor blk.1.attn_k.weight");
}

TEST_CASE("An architecture without blocks is unsupported rather than guessed") {
  const auto scratch = compute_scratch(small_llama(), Architecture{}, run_of(1024, 128, 1, true), {});
  REQUIRE_FALSE(scratch.has_value());
  CHECK(scratch.error().code == ErrorCode::unsupported);
}

TEST_CASE("A layer count that no engine takes is malformed, not a long wait") {
  Model model = small_llama();
  model.hyperparameters.set("block_count", std::int64_t{2000000000});
  const auto scratch = compute_scratch(model, llama_like(), run_of(1024, 128, 1, true), layout_of(1024));
  REQUIRE_FALSE(scratch.has_value());
  CHECK(scratch.error().code == ErrorCode::malformed);
}
