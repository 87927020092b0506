#include "llmsize/core/tensor_template.hpp"

#include <catch2/catch.hpp>

#include "llmsize/core/architecture.hpp"

using namespace llmsize;

namespace {

Architecture small_architecture() {
  Architecture a;
  a.id = "small";
  const auto add = [&](const char* name, std::vector<std::string> shape, const char* when = "",
                       std::optional<TensorType> type = std::nullopt) {
    a.tensors.push_back(make_tensor_template(name, shape, when, type).value());
  };
  add("token_embd.weight", {"embedding", "vocabulary"});
  add("output.weight", {"embedding", "vocabulary"}, "not feature.tied_embeddings");
  add("blk.{layer}.attn_norm.weight", {"embedding"});
  add("blk.{layer}.ffn_gate_inp.weight", {"embedding", "experts"}, "expert", tensor_type::f32);
  return a;
}

Hyperparameters small_model() {
  Hyperparameters h;
  h.set("block_count", std::int64_t{3});
  h.set("embedding_length", std::int64_t{64});
  h.set("vocab_size", std::int64_t{1000});
  h.set("expert_count", std::int64_t{4});
  h.set("leading_dense_block_count", std::int64_t{2});
  return h;
}

}  // namespace

TEST_CASE("templates become tensors on the layers that meet their condition") {
  auto h = small_model();
  const auto tensors = expand_tensors(small_architecture(), h).value();
  std::vector<std::string> names;
  for (const auto& tensor : tensors) names.push_back(tensor.name);
  CHECK(names == std::vector<std::string>{"token_embd.weight", "output.weight", "blk.0.attn_norm.weight",
                                          "blk.1.attn_norm.weight", "blk.2.attn_norm.weight",
                                          "blk.2.ffn_gate_inp.weight"});
  CHECK(tensors[0].dimensions == std::array<std::int64_t, 4>{64, 1000, 1, 1});

  h.set("feature.tied_embeddings", std::int64_t{1});
  CHECK(expand_tensors(small_architecture(), h)->size() == 5);
}

TEST_CASE("matrices are F16 and vectors F32 unless the template says otherwise") {
  const auto tensors = expand_tensors(small_architecture(), small_model()).value();
  CHECK(tensors[0].type == tensor_type::f16);
  CHECK(tensors[2].type == tensor_type::f32);
  CHECK(tensors[5].type == tensor_type::f32);
}

TEST_CASE("impossible hyperparameters are refused with the tensor's name") {
  auto h = small_model();
  h.set("embedding_length", std::int64_t{-64});
  CHECK(expand_tensors(small_architecture(), h).error().message ==
        "tensor token_embd.weight: \"embedding\" is -64, but a dimension is at least 1");
  h.set("embedding_length", std::int64_t{1} << 40);
  h.set("vocab_size", std::int64_t{1} << 40);
  CHECK(expand_tensors(small_architecture(), h).error().code == ErrorCode::overflow);
  h = small_model();
  for (const std::int64_t layers :
       {std::int64_t{-1}, std::int64_t{0}, std::int64_t{513}, std::int64_t{1} << 40}) {
    h.set("block_count", layers);
    CHECK(expand_tensors(small_architecture(), h).error().code == ErrorCode::malformed);
  }
}

TEST_CASE("an architecture without templates is not guessed") {
  Architecture unknown;
  unknown.id = "novel";
  CHECK(expand_tensors(unknown, small_model()).error().code == ErrorCode::unsupported);
}

TEST_CASE("a template that makes no sense is refused when it is read") {
  CHECK_FALSE(make_tensor_template("", {"1"}, "", std::nullopt));
  CHECK_FALSE(make_tensor_template("x", {}, "", std::nullopt));
  CHECK_FALSE(make_tensor_template("x", {"1", "1", "1", "1", "1"}, "", std::nullopt));
  CHECK(make_tensor_template("x.weight", {"2 *"}, "", std::nullopt).error().message ==
        "tensor x.weight: \"2 *\": a name, a number or \"(\" expected at character 4");
}
