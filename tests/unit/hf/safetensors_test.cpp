#include "llmsize/hf/safetensors.hpp"

#include <catch2/catch.hpp>

#include "support/memory_files.hpp"
#include "support/sparse_files.hpp"

using namespace llmsize;

namespace {

std::string file_of(const std::string& header, std::size_t data) {
  std::string out;
  for (unsigned shift = 0; shift < 64; shift += 8)
    out += static_cast<char>(static_cast<unsigned char>(header.size() >> shift));
  return out + header + std::string(data, '\0');
}

Result<std::vector<hf::PublishedTensor>> read(const std::string& bytes) {
  const test::MemoryFiles files{{"m.safetensors", bytes}};
  return hf::read_safetensors(**files.open("m.safetensors"), "m.safetensors");
}

std::string complaint(const std::string& header, std::size_t data = 64) {
  const auto read_back = read(file_of(header, data));
  return read_back ? std::string() : read_back.error().message;
}

hf::PublishedTensor tensor(const std::string& name, const std::string& dtype, std::vector<std::int64_t> shape,
                           std::int64_t bytes) {
  return {name, dtype, std::move(shape), Bytes(bytes)};
}

}  // namespace

TEST_CASE("a safetensors header gives names, types, shapes and sizes") {
  const auto tensors = read(file_of(R"({"__metadata__": {"format": "pt", "n": "1"},
    "a.weight": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]},
    "b.scale": {"dtype": "F8_E4M3", "shape": [], "data_offsets": [12, 13]}})",
                                    13));
  REQUIRE(tensors.has_value());
  REQUIRE(tensors->size() == 2);
  CHECK((*tensors)[0].name == "a.weight");
  CHECK((*tensors)[0].shape == std::vector<std::int64_t>{2, 3});
  CHECK((*tensors)[0].size == Bytes(12));
  CHECK((*tensors)[1].dtype == "F8_E4M3");
  CHECK((*tensors)[1].size == Bytes(1));
}

TEST_CASE("hostile safetensors headers are refused with the reason") {
  using Catch::Matchers::Contains;
  const std::string plain = R"("a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]})";
  CHECK(complaint("{" + plain + "}").empty());
  CHECK_THAT(complaint("{" + plain + "," + plain + "}"), Contains("two tensors named \"a\""));
  CHECK_THAT(complaint("{" + plain + "}", 8), Contains("cut short"));
  CHECK_THAT(complaint("{"), Contains("bad JSON"));
  CHECK_THAT(complaint(R"({"a": {"dtype": "F32", "dtype": "F32"}})"), Contains("\"dtype\" twice"));
  CHECK_THAT(complaint(R"({"a": {"dtype": "F32", "shape": [4]}})"), Contains("lacks"));
  CHECK_THAT(complaint(R"({"a": {"dtype": "F32", "shape": [5], "data_offsets": [0, 16]}})"),
             Contains("contradict"));
  CHECK_THAT(complaint(R"({"a": {"dtype": "F32", "shape": [4], "data_offsets": [16, 0]}})"),
             Contains("contradict"));
  CHECK_THAT(
      complaint(R"({"a": {"dtype": "X9", "shape": [4611686018427387904, 4], "data_offsets": [0, 16]}})"),
      Contains("contradict"));
  CHECK_THAT(
      complaint(R"({"a": {"dtype": "F32", "shape": [18446744073709551615], "data_offsets": [0, 16]}})"),
      Contains("63 bits"));
  CHECK_THAT(complaint(R"({"a": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}})"),
             Contains("negative"));
  CHECK_THAT(complaint(R"({"a": {"dtype": "F32", "shape": [[4]], "data_offsets": [0, 16]}})"),
             Contains("list"));
  CHECK_THAT(complaint("{\"a\":" + std::string(100'000, '[')), Contains("list"));
  CHECK_THAT(complaint("{\"a\": {\"b\":" + std::string(1000, '{')), Contains("objects in objects"));
}

TEST_CASE("a header length at the extremes costs no memory") {
  const std::string huge = std::string(7, '\xff') + "\x7f{}";
  CHECK(read(huge).error().message.find("more than the") != std::string::npos);
  // A length that the file could hold, were it not beyond any header.
  const test::SparseFiles sparse(std::string("\0\0\0\0\1\0\0\0", 8), Bytes(std::int64_t{1} << 40));
  CHECK_FALSE(hf::read_safetensors(**sparse.open("m.safetensors"), "m.safetensors").has_value());
  CHECK_FALSE(read("short").has_value());
  CHECK_FALSE(read("").has_value());
}

TEST_CASE("packed weights count as the parameters they hold, scales as none") {
  hf::PublishedWeights weights;
  // gpt-oss: a layer's down projections are blocks of 16 bytes for 32 values, with one scale byte each.
  hf::add_tensors(
      weights,
      {tensor("model.layers.0.mlp.experts.down_proj_blocks", "U8", {32, 2880, 90, 16}, 32 * 2880 * 90 * 16),
       tensor("model.layers.0.mlp.experts.down_proj_scales", "U8", {32, 2880, 90}, 32 * 2880 * 90)},
      {"mxfp4", 4}, 24);
  CHECK(weights.text_params == ParamCount(std::int64_t{32} * 2880 * 2880));
  CHECK(weights.bytes == Bytes(std::int64_t{32} * 2880 * 90 * 17));
  CHECK(weights.mxfp4_experts);

  hf::PublishedWeights others;
  hf::add_tensors(others,
                  {tensor("model.layers.0.self_attn.q_proj.weight", "F8_E4M3", {128, 256}, 128 * 256),
                   tensor("model.layers.0.self_attn.q_proj.weight_scale_inv", "F32", {1, 2}, 8),
                   tensor("model.layers.0.mlp.up_proj.qweight", "I32", {32, 512}, 32 * 512 * 4),
                   tensor("model.layers.0.mlp.up_proj.qzeros", "I32", {2, 64}, 512),
                   tensor("model.layers.2.eh_proj.weight", "BF16", {10, 20}, 400),
                   tensor("visual.patch_embed.weight", "BF16", {10, 30}, 600),
                   tensor("lm_head.weight", "BF16", {5, 6}, 60)},
                  {"gptq", 4}, 2);
  CHECK(others.text_params == ParamCount(128 * 256 + 32 * 512 * 8 + 30));
  CHECK(others.next_token_params == ParamCount(200));
  CHECK(others.other_params == ParamCount(300));
  CHECK(others.has_output);
  CHECK(others.types.at("F8_E4M3").tensors == 1);
}

TEST_CASE("an index names the files, and nothing outside the folder") {
  const auto names = hf::parse_index(
      R"({"weight_map": {"a": "x-00001-of-00002.safetensors", "b": "x-00002-of-00002.safetensors",
    "c": "x-00001-of-00002.safetensors"}})",
      "i");
  REQUIRE(names.has_value());
  CHECK(names->size() == 2);
  CHECK_FALSE(hf::parse_index(R"({"weight_map": {"a": "../x.safetensors"}})", "i").has_value());
  CHECK_FALSE(hf::parse_index(R"({"weight_map": {"a": 1}})", "i").has_value());
  CHECK_FALSE(hf::parse_index(R"({"weight_map": {}})", "i").has_value());
  CHECK_FALSE(hf::parse_index("[", "i").has_value());
}
