#include "llmsize/core/quantize.hpp"

#include <catch2/catch.hpp>

#include "llmsize/core/weights.hpp"

using namespace llmsize;

namespace {

constexpr TensorType q8_0{8, "q8_0", {32, 34}}, q4_k{12, "q4_K", {256, 144}}, q6_k{14, "q6_K", {256, 210}},
    q5_0{6, "q5_0", {32, 22}}, q5_k{13, "q5_K", {256, 176}}, iq2_s{22, "iq2_s", {256, 82}},
    q1_0{41, "q1_0", {128, 18}};

const TypeTable& types() {
  static const TypeTable table(
      {tensor_type::f32, tensor_type::f16, q8_0, q4_k, q6_k, q5_0, q5_k, iq2_s, q1_0});
  return table;
}

Tensor tensor(std::string name, std::int64_t columns, std::int64_t rows, TensorType type = tensor_type::f16) {
  return {std::move(name), {columns, rows, 1, 1}, type};
}

Model model_of(std::vector<Tensor> tensors, std::int64_t layers = 1) {
  Model model;
  model.architecture = "llama";
  model.tensors = std::move(tensors);
  model.hyperparameters.set("block_count", layers);
  return model;
}

TypeRule rule(TensorCategory category, TensorType type, const std::vector<std::string>& when = {}) {
  TypeRule row{{category}, {}, type};
  for (const auto& text : when) row.when.push_back(*parse_condition(text));
  return row;
}

/// A mix of two rows: the output and early ffn_down tensors are finer.
FileType mixed() {
  FileType type;
  type.id = "MIX";
  type.default_type = q4_k;
  type.rules = {rule(TensorCategory::output, q6_k), rule(TensorCategory::ffn_down, q5_k, {"layer<2"})};
  return type;
}

/// Names of the chosen types in tensor order, joined by spaces; the error's message where refused.
std::string chosen(const Model& model, const FileType& type, const QuantizeOptions& options = {}) {
  const auto result = quantized_types(model, type, types(), options);
  if (!result) return result.error().message;
  std::string out;
  for (const auto& one : *result) out += std::string(out.empty() ? "" : " ") + std::string(one.name());
  return out;
}

}  // namespace

TEST_CASE("The first matching row decides, and the default where none does") {
  const auto model = model_of({tensor("output.weight", 256, 8), tensor("token_embd.weight", 256, 8),
                               tensor("blk.0.attn_q.weight", 256, 256)});
  CHECK(chosen(model, mixed()) == "q6_K q4_K q4_K");
}

TEST_CASE("An embedding that serves as output is quantized as output") {
  CHECK(chosen(model_of({tensor("token_embd.weight", 256, 8)}), mixed()) == "q6_K");
}

TEST_CASE("Norms, biases, routers and convolutions keep their type") {
  const auto model = model_of({tensor("blk.0.attn_norm.weight", 256, 1, tensor_type::f32),
                               tensor("blk.0.attn_q.bias", 256, 2, tensor_type::f32),
                               tensor("blk.0.ffn_gate_inp.weight", 256, 8, tensor_type::f32),
                               tensor("blk.0.ssm_conv1d.weight", 4, 256, tensor_type::f32),
                               tensor("position_embd.weight", 256, 8), tensor("output.weight", 256, 8)});
  CHECK(chosen(model, mixed()) == "f32 f32 f32 f32 f16 q6_K");
}

TEST_CASE("Positions are counted in order of layer number, not of text or file") {
  const auto model =
      model_of({tensor("blk.10.ffn_down.weight", 256, 8), tensor("blk.2.ffn_down.weight", 256, 8),
                tensor("blk.1.ffn_down.weight", 256, 8)},
               11);
  CHECK(chosen(model, mixed()) == "q4_K q5_K q5_K");
}

TEST_CASE("With experts the layer is read from the name, and its absence is refused") {
  auto model = model_of(
      {tensor("blk.5.ffn_down_exps.weight", 256, 8), tensor("blk.1.ffn_down_exps.weight", 256, 8)}, 6);
  model.hyperparameters.set("expert_count", std::int64_t{4});
  CHECK(chosen(model, mixed()) == "q4_K q5_K");
  model.tensors.push_back(tensor("blk.6.ffn_down_exps.weight", 256, 8));
  CHECK_THAT(chosen(model, mixed()), Catch::Contains("gives no layer from 0 to 5"));
}

TEST_CASE("Rows that are not whole blocks fall back, then to F16, and q1_0 is refused") {
  const auto model = [](std::int64_t columns) {
    return model_of({tensor("output.weight", 256, 8), tensor("blk.0.attn_q.weight", columns, 8)});
  };
  CHECK(chosen(model(288), mixed()) == "q6_K q5_0");
  CHECK(chosen(model(100), mixed()) == "q6_K f16");
  FileType one_bit;
  one_bit.id = "Q1_0";
  one_bit.default_type = q1_0;
  CHECK_THAT(chosen(model(100), one_bit), Catch::Contains("not whole q1_0 blocks of 128"));
}

TEST_CASE("Options override types in the engine's order") {
  const auto model =
      model_of({tensor("output.weight", 256, 8), tensor("token_embd.weight", 256, 8),
                tensor("blk.0.ffn_down.weight", 256, 8), tensor("blk.1.ffn_down.weight", 256, 8)},
               2);
  QuantizeOptions options;
  options.pure = true;
  CHECK(chosen(model, mixed(), options) == "q4_K q4_K q4_K q4_K");
  options.output_tensor_type = q8_0;
  options.token_embedding_type = q5_0;
  CHECK(chosen(model, mixed(), options) == "q8_0 q5_0 q4_K q4_K");
  options = {};
  options.tensor_types = {{"blk\\.0\\.", q8_0}, {"ffn_down", q6_k}};
  CHECK(chosen(model, mixed(), options) == "q6_K q4_K q8_0 q6_K");
  // Patterns hold under --pure too, and in whatever case they are written.
  options.pure = true;
  options.tensor_types = {{"FFN_DOWN", q6_k}};
  CHECK(chosen(model, mixed(), options) == "q4_K q4_K q6_K q6_K");
  options.tensor_types = {{"ffn_down", tensor_type::i32}};
  CHECK_THAT(chosen(model, mixed(), options), Catch::Contains("cannot write i32"));
  options.tensor_types = {{"(", q8_0}};
  CHECK_THAT(chosen(model, mixed(), options), Catch::Contains("not a regular expression"));
}

TEST_CASE("Unmixed file types take one type, with named tensors still overridden") {
  FileType half;
  half.id = "F16";
  half.default_type = tensor_type::f16;
  half.mixes = false;
  const auto model = model_of({tensor("output.weight", 100, 8, tensor_type::f32)});
  CHECK(chosen(model, half) == "f16");
  QuantizeOptions options;
  options.output_tensor_type = q8_0;
  CHECK_THAT(chosen(model, half, options), Catch::Contains("not whole q8_0 blocks"));
}

TEST_CASE("What is quantized already is not quantized again unless allowed") {
  const auto model =
      model_of({tensor("output.weight", 256, 8, q6_k), tensor("blk.0.attn_q.weight", 256, 8, q8_0)});
  CHECK_THAT(chosen(model, mixed()),
             Catch::Contains("blk.0.attn_q.weight cannot be quantized: it is already q8_0"));
  QuantizeOptions options;
  options.allow_requantize = true;
  CHECK(chosen(model, mixed(), options) == "q6_K q4_K");
}

TEST_CASE("Very small types ask for an importance matrix") {
  FileType small;
  small.default_type = iq2_s;
  const auto model = model_of({tensor("output.weight", 256, 8), tensor("blk.0.attn_q.weight", 256, 8)});
  CHECK(needs_importance_matrix(model, small, {iq2_s, q4_k}).empty());
  CHECK(needs_importance_matrix(model, small, {iq2_s, iq2_s}) == "blk.0.attn_q.weight");
}

TEST_CASE("Conditions are a closed set") {
  CHECK(parse_condition("layer<n/8")->kind == TypeCondition::Kind::layer_below_fraction);
  CHECK(parse_condition("layer<2")->number == 2);
  CHECK(parse_condition("not architecture=falcon")->negated);
  for (const char* text :
       {"", "not ", "layer<", "layer<n/0", "layer<-1", "gqa>=", "architecture=", "imatrix2", "x"})
    CHECK_FALSE(parse_condition(text));
}

TEST_CASE("Buffers pad every tensor, and CUDA also short rows of quantized ones") {
  // 34 bytes a block: 3 rows of 96 elements are 306 bytes; the next multiples of 32 and 128 are 320 and 384.
  const auto small = tensor("a.weight", 96, 3, q8_0);
  CHECK(buffer_size(small) == Bytes(320));
  // CUDA adds a row of 512 - 96 = 416 elements: 442 bytes, 748 in all, padded to 768.
  CHECK(buffer_size(small, cuda_buffer_rule) == Bytes(768));
  CHECK(buffer_size(tensor("a.weight", 96, 3), cuda_buffer_rule) == Bytes(640));
}

TEST_CASE("Next-token layers are not loaded, and Gemma 4 holds a shared embedding twice") {
  auto model = model_of({tensor("token_embd.weight", 256, 8), tensor("blk.0.attn_q.weight", 256, 8),
                         tensor("blk.1.attn_q.weight", 256, 8)},
                        2);
  CHECK(engine_weights_size(model) == Bytes(3 * 4096));
  model.hyperparameters.set("nextn_predict_layers", std::int64_t{1});
  CHECK(engine_weights_size(model) == Bytes(2 * 4096));
  // Measured on Gemma 4 E2B: its buffer exceeds the sum of its tensors by its embedding's 805,306,368 bytes.
  model.architecture = "gemma4";
  CHECK(engine_weights_size(model) == Bytes(3 * 4096));
  model.tensors.push_back(tensor("output.weight", 256, 8));
  CHECK(engine_weights_size(model) == Bytes(3 * 4096));
}

TEST_CASE("Sizes are summed by type, and padded only where they are placed") {
  const auto sizes =
      weight_sizes(model_of({tensor("a.weight", 8, 3, tensor_type::f32), tensor("b.weight", 8, 3)}));
  // 96 bytes, and 48 padded to 64.
  CHECK(sizes.tensors == Bytes(144));
  CHECK(sizes.file_data == Bytes(160));
  CHECK(sizes.bytes_by_type.at("f16") == Bytes(48));
}
