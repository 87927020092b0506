#include <string>
#include <utility>

#include <catch2/catch.hpp>

#include "llmsize/core/architecture.hpp"
#include "llmsize/core/graph.hpp"
#include "llmsize/core/model.hpp"

using namespace llmsize;

namespace {

Architecture latent_architecture(bool sparse) {
  Architecture architecture;
  architecture.id = "latent";
  for (const char* step :
       {"save residual", "norm attn_norm",
        sparse ? "latent_attention indexer unbiased_output" : "latent_attention", "rows current residual",
        "add residual", "save residual", "norm ffn_norm", "ffn", "moe gating=sigmoid shared", "add residual"})
    architecture.graph.layer.push_back(*parse_graph_step(step));
  architecture.graph.input.push_back(*parse_graph_step("embedding"));
  for (const char* step : {"norm output_norm", "head"})
    architecture.graph.output.push_back(*parse_graph_step(step));
  return architecture;
}

void add_tensor(Model& model, const std::string& name, std::int64_t d0, std::int64_t d1 = 1,
                std::int64_t d2 = 1) {
  model.tensors.push_back({name, {d0, d1, d2, 1}, tensor_type::f32});
}

void add_layer(Model& model, const std::string& prefix, bool experts) {
  for (const char* norm : {"attn_norm", "ffn_norm"}) add_tensor(model, prefix + norm + ".weight", 128);
  for (const char* norm : {"attn_q_a_norm", "attn_kv_a_norm"})
    add_tensor(model, prefix + norm + ".weight", 512);
  add_tensor(model, prefix + "attn_q_a.weight", 128, 512);
  add_tensor(model, prefix + "attn_q_b.weight", 512, 192);
  add_tensor(model, prefix + "attn_kv_a_mqa.weight", 128, 576);
  add_tensor(model, prefix + "attn_k_b.weight", 128, 512);
  add_tensor(model, prefix + "attn_v_b.weight", 512, 128);
  add_tensor(model, prefix + "attn_output.weight", 128, 128);
  add_tensor(model, prefix + "indexer.attn_k.weight", 128, 128);
  for (const char* kind : {"weight", "bias"}) add_tensor(model, prefix + "indexer.k_norm." + kind, 128);
  add_tensor(model, prefix + "indexer.attn_q_b.weight", 512, 8192);
  add_tensor(model, prefix + "indexer.proj.weight", 128, 64);
  const char* suffix = experts ? "_shexp.weight" : ".weight";
  for (const char* wide : {"ffn_gate", "ffn_up"}) add_tensor(model, prefix + wide + suffix, 128, 192);
  add_tensor(model, prefix + "ffn_down" + suffix, 192, 128);
  if (!experts) return;
  add_tensor(model, prefix + "ffn_gate_inp.weight", 128, 2);
  for (const char* wide : {"ffn_gate", "ffn_up"})
    add_tensor(model, prefix + wide + "_exps.weight", 128, 192, 2);
  add_tensor(model, prefix + "ffn_down_exps.weight", 192, 128, 2);
}

/// The shape of the small deepseek32 and mistral4 whose compute buffers were recorded: one head of 128 + 64,
/// latents of 512, an indexer of 64 heads of 128, one dense layer and one of two experts.
Model small_latent_model() {
  Model model;
  auto& hyper = model.hyperparameters;
  for (const auto& [key, value] :
       {std::pair{"block_count", 2}, std::pair{"embedding_length", 128}, std::pair{"attention.head_count", 1},
        std::pair{"expert_count", 2}, std::pair{"expert_used_count", 2},
        std::pair{"attention.indexer.head_count", 64}, std::pair{"attention.indexer.top_k", 131072}})
    hyper.set(key, std::int64_t{value});
  add_tensor(model, "token_embd.weight", 128, 128);
  add_tensor(model, "output_norm.weight", 128);
  add_tensor(model, "output.weight", 128, 128);
  add_layer(model, "blk.0.", false);
  add_layer(model, "blk.1.", true);
  return model;
}

ContextLayout latent_layout(std::int64_t cells, bool sparse) {
  ContextLayout layout;
  for (int layer = 0; layer < 2; ++layer) {
    AttentionCache cache;
    cache.key_width = 576;
    cache.cells = cells;
    layout.push_back({layer, cache});
    cache.kind = AttentionCache::Kind::indexer;
    cache.key_width = 128;
    if (sparse) layout.push_back({layer, cache});
  }
  return layout;
}

std::int64_t scratch_of(bool sparse, std::int64_t context, std::int64_t tokens, std::int64_t rows,
                        bool flash_attention) {
  Run run;
  run.context_tokens = run.padded_context = run.sequence_context = context;
  run.ubatch_tokens = run.prompt_tokens = tokens;
  run.output_rows = rows;
  run.flash_attention = flash_attention;
  const auto scratch =
      compute_scratch(small_latent_model(), latent_architecture(sparse), run, latent_layout(context, sparse));
  if (!scratch) FAIL(scratch.error().message);
  return scratch->size.value();
}

}  // namespace

TEST_CASE("Latent attention takes the engine's compute buffer") {
  // Measured: recorded graphs mistral4-moe.1 to .3 (llama.cpp v0.5.0, "# compute").
  CHECK(scratch_of(false, 1024, 128, 1, true) == 1443872);
  CHECK(scratch_of(false, 1024, 128, 128, false) == 2984448);
  CHECK(scratch_of(false, 2048, 256, 4, true) == 3412000);
}

TEST_CASE("Latent attention to the cells an indexer chose takes the engine's compute buffer") {
  // Measured: recorded graphs deepseek32-moe.1 to .3 (llama.cpp v0.5.0, "# compute").
  CHECK(scratch_of(true, 1024, 128, 1, true) == 11176992);
  CHECK(scratch_of(true, 1024, 128, 128, false) == 13012480);
  CHECK(scratch_of(true, 2048, 256, 4, true) == 25434144);
}
