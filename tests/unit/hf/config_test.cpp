#include "llmsize/hf/config.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/architectures.hpp"
#include "llmsize/core/model.hpp"

using namespace llmsize;

namespace {

const catalog::Catalog& embedded() {
  static const catalog::Catalog catalog = catalog::Catalog::embedded();
  return catalog;
}

/// The parameters of the model that a config.json describes.
std::int64_t parameters_of(const char* text) {
  const auto config = nlohmann::json::parse(text);
  const auto architecture = catalog::load_architecture_of_class(embedded(), hf::class_names(config));
  REQUIRE(architecture.has_value());
  const auto general = catalog::load_config_keys(embedded());
  REQUIRE(general.has_value());
  const auto values = hf::read_config(config, *general, *architecture);
  INFO((values ? std::string() : values.error().message));
  REQUIRE(values.has_value());
  Model model;
  auto tensors = expand_tensors(*architecture, *values);
  INFO((tensors ? std::string() : tensors.error().message));
  REQUIRE(tensors.has_value());
  model.tensors = *std::move(tensors);
  return model.total_params().value();
}

ErrorCode error_of(const char* text) {
  const auto config = nlohmann::json::parse(text);
  const auto architecture = catalog::load_architecture(embedded(), "llama").value();
  const auto values = hf::read_config(config, catalog::load_config_keys(embedded()).value(), architecture);
  return values ? ErrorCode::internal : values.error().code;
}

}  // namespace

// The counts are those of the publishers' weight files (data/models, "verification"), plus 64 rope
// frequencies for Llama 3.1.
TEST_CASE("published configs expand to their models' parameter counts") {
  CHECK(parameters_of(R"({"architectures": ["LlamaForCausalLM"], "attention_bias": false, "hidden_size": 4096,
    "intermediate_size": 14336, "max_position_embeddings": 131072, "mlp_bias": false, "num_attention_heads": 32,
    "num_hidden_layers": 32, "num_key_value_heads": 8, "rope_scaling": {"factor": 8.0, "rope_type": "llama3"},
    "rope_theta": 500000.0, "tie_word_embeddings": false, "vocab_size": 128256})") == 8030261312);
  CHECK(parameters_of(R"({"architectures": ["Qwen3MoeForCausalLM"], "attention_bias": false, "head_dim": 128,
    "decoder_sparse_step": 1, "hidden_size": 2048, "intermediate_size": 6144, "max_position_embeddings": 40960,
    "mlp_only_layers": [], "moe_intermediate_size": 768, "norm_topk_prob": true, "num_attention_heads": 32,
    "num_experts": 128, "num_experts_per_tok": 8, "num_hidden_layers": 48, "num_key_value_heads": 4,
    "rope_scaling": null, "sliding_window": null, "tie_word_embeddings": false, "vocab_size": 151936})") ==
        30532122624);
  CHECK(parameters_of(R"({"architectures": ["DeepseekV3ForCausalLM"], "first_k_dense_replace": 3,
    "hidden_size": 7168, "intermediate_size": 18432, "kv_lora_rank": 512, "max_position_embeddings": 163840,
    "moe_intermediate_size": 2048, "n_routed_experts": 256, "n_shared_experts": 1, "num_attention_heads": 128,
    "num_experts_per_tok": 8, "num_hidden_layers": 61, "num_key_value_heads": 128, "num_nextn_predict_layers": 1,
    "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "topk_method": "noaux_tc",
    "v_head_dim": 128, "vocab_size": 129280, "tie_word_embeddings": false})") == 671026419200);
  CHECK(parameters_of(R"({"architectures": ["MixtralForCausalLM"], "hidden_size": 4096,
    "intermediate_size": 14336, "num_attention_heads": 32, "num_experts_per_tok": 2, "num_hidden_layers": 32,
    "num_key_value_heads": 8, "num_local_experts": 8, "vocab_size": 32000})") == 46702792704);
  CHECK(parameters_of(R"({"architectures": ["GPT2LMHeadModel"], "n_ctx": 1024, "n_embd": 768, "n_head": 12,
    "n_layer": 12, "n_positions": 1024, "vocab_size": 50257})") == 124439808);
}

TEST_CASE("the text model of a multimodal config is what counts") {
  CHECK(parameters_of(
            R"({"architectures": ["Gemma3ForConditionalGeneration"], "text_config": {"hidden_size": 5376,
    "intermediate_size": 21504, "num_attention_heads": 32, "num_hidden_layers": 62, "num_key_value_heads": 16,
    "head_dim": 128, "sliding_window": 1024, "vocab_size": 262208}, "vision_config": {"hidden_size": 1152}})") ==
        27009346304);
}

TEST_CASE("a config that says too little or nonsense is refused") {
  CHECK(error_of("[]") == ErrorCode::malformed);
  CHECK(error_of("{}") == ErrorCode::malformed);
  CHECK(error_of(R"({"num_hidden_layers": 100000})") == ErrorCode::malformed);
  CHECK(error_of(R"({"num_hidden_layers": -1})") == ErrorCode::malformed);
  CHECK(error_of(R"({"num_hidden_layers": {"a": 1}})") == ErrorCode::malformed);
  CHECK(error_of(R"({"num_hidden_layers": 2, "hidden_size": 18446744073709551615})") == ErrorCode::malformed);
  const auto unknown = catalog::load_architecture_of_class(embedded(), {"NovelForCausalLM"});
  CHECK(unknown.error().message == "no architecture of the catalog stands for NovelForCausalLM");
  CHECK_FALSE(catalog::load_architecture_of_class(embedded(), {}));
}
