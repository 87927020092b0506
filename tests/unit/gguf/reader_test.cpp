#include "llmsize/gguf/reader.hpp"

#include <catch2/catch.hpp>

#include "llmsize/catalog/types.hpp"
#include "support/gguf_builder.hpp"
#include "support/memory_files.hpp"

using namespace llmsize;
using test::GgufBuilder;
using test::MemoryFiles;

namespace {

const TypeTable& types() {
  static const TypeTable table = *catalog::load_tensor_types(catalog::Catalog::embedded());
  return table;
}

/// 256 x 32 weights of two bytes.
constexpr std::uint64_t embedding_bytes = 256 * 32 * 2;

GgufBuilder small_model(std::uint32_t version = 3, bool big_endian = false) {
  return GgufBuilder(version, big_endian)
      .text("general.architecture", "llama")
      .text("general.name", "Small")
      .number<std::uint32_t>("general.file_type", 1)
      .number<std::uint32_t>("llama.block_count", 2)
      .list<std::int32_t>("llama.attention.head_count_kv", {4, 2})
      .number<float>("llama.rope.freq_base", 10000.0F)
      .number<bool>("llama.attention.causal", true)
      .texts("tokenizer.ggml.tokens", {"a", "b", "", "longer"})
      .list<float>("tokenizer.ggml.scores", {0, 0, 0, 0})
      .tensor("token_embd.weight", {256, 32}, 1, embedding_bytes)
      .tensor("output_norm.weight", {256}, 0, 1024);
}

Result<Model> read(const std::string& bytes, const std::string& path = "m.gguf") {
  return read_gguf(MemoryFiles{{path, bytes}}, path, types());
}

/// The message of reading `bytes`, or "" where they were accepted.
std::string complaint(const std::string& bytes) {
  const auto model = read(bytes);
  return model ? "" : model.error().message;
}

}  // namespace

TEST_CASE("A header becomes a model with its architecture's prefix removed") {
  const auto file = small_model();
  const auto model = read(file.build());
  REQUIRE(model);
  CHECK(model->architecture == "llama");
  CHECK(model->name == "Small");
  CHECK(model->id == "m");
  CHECK(model->file_type == 1);
  CHECK_FALSE(model->types_are_final);
  CHECK(model->hyperparameters.layer_count() == 2);
  CHECK(model->hyperparameters.kv_head_count(1) == 2);
  CHECK(model->hyperparameters.number("rope.freq_base") == 10000.0);
  CHECK(model->hyperparameters.flag("attention.causal"));
  CHECK(model->hyperparameters.vocabulary_size() == 4);
  CHECK(model->header_size.value->value() == static_cast<std::int64_t>(file.header().size()));
  REQUIRE(model->tensors.size() == 2);
  CHECK(model->tensors[0].dimensions == std::array<std::int64_t, 4>{256, 32, 1, 1});
  CHECK(model->tensors[0].type.name() == "f16");
  CHECK(model->total_params() == ParamCount(256 * 32 + 256));
}

TEST_CASE("A stated vocabulary size goes before the token list") {
  auto file = small_model();
  file.number<std::uint32_t>("llama.vocab_size", 32);
  CHECK(read(file.build())->hyperparameters.vocabulary_size() == 32);
}

TEST_CASE("Version 2 and files of the other byte order read alike") {
  CHECK(read(small_model(2).build()));
  const auto swapped = read(small_model(3, true).build());
  REQUIRE(swapped);
  CHECK(swapped->hyperparameters.kv_head_count(0) == 4);
  CHECK(swapped->tensors[0].rows() == 32);
  CHECK(swapped->notes.size() == 1);
}

TEST_CASE("A quantized tensor makes the file's types final") {
  auto file = small_model();
  file.tensor("blk.0.attn_q.weight", {256, 256}, 12, 256 * 144);
  CHECK(read(file.build())->types_are_final);
}

TEST_CASE("Another alignment moves the data") {
  auto file = GgufBuilder().text("general.architecture", "llama").alignment(64);
  file.tensor("a.weight", {8}, 0, 32).tensor("b.weight", {8}, 0, 32);
  const auto model = read(file.build());
  REQUIRE(model);
  CHECK(model->alignment == 64);
  CHECK(model->header_size.value->value() % 64 == 0);
}

TEST_CASE("Every truncation of a file is refused with a message, and none crashes") {
  const std::string whole = small_model().build();
  const std::size_t without_padding = whole.size();
  for (std::size_t length = 0; length < without_padding; length += length < 1000 ? 1 : 97) {
    const auto model = read(whole.substr(0, length));
    REQUIRE_FALSE(model);
    REQUIRE_FALSE(model.error().message.empty());
  }
  const auto cut = read(whole.substr(0, 4000));
  CHECK(cut.error().message.find("m.gguf: cut short at byte 4000 (the tensor data needs ") == 0);
  CHECK(cut.error().hint == "Download it again.");
  CHECK(complaint(whole.substr(0, 300)).find("cut short at byte 300") != std::string::npos);
}

TEST_CASE("Damage is named") {
  const auto contains = [](const std::string& text) { return Catch::Contains(text); };
  CHECK_THAT(complaint("PK\x03\x04 not a model"), contains("not a GGUF file"));
  CHECK_THAT(complaint(""), contains("not a GGUF file"));
  CHECK_THAT(complaint(small_model(1).build()), contains("GGUF version 1"));
  CHECK_THAT(complaint(small_model(9).build()), contains("GGUF version 9"));
  CHECK_THAT(complaint(GgufBuilder().build()), contains("no general.architecture"));
  CHECK_THAT(complaint(small_model().text("general.name", "again").build()), contains("appears twice"));
  CHECK_THAT(complaint(small_model().tensor("output_norm.weight", {256}, 0, 1024).build()),
             contains("two tensors are named"));
  CHECK_THAT(complaint(small_model().tensor("x.weight", {256, 0}, 0, 0).build()), contains("is 0"));
  CHECK_THAT(complaint(small_model().tensor("x.weight", {}, 0, 4).build()), contains("0 dimensions"));
  CHECK_THAT(complaint(small_model().tensor("x.weight", {1, 1, 1, 1, 1}, 0, 4).build()),
             contains("5 dimensions"));
  CHECK_THAT(complaint(small_model().tensor("x.weight", {100}, 12, 144).build()),
             contains("whole q4_K blocks"));
  CHECK_THAT(complaint(small_model().tensor("x.weight", {32}, 4, 20).build()),
             contains("unknown type number 4"));
  CHECK_THAT(complaint(small_model().tensor("x.weight", {8}, 0, 32, 1).build()), contains("at offset 1"));
  CHECK_THAT(complaint(small_model().tensor(std::string(64, 'x'), {8}, 0, 32).build()),
             contains("the length of a tensor name"));
  CHECK_THAT(complaint(small_model().alignment(33).build()), contains("general.alignment"));
  CHECK_THAT(complaint(small_model().raw_pair("x", 99, "").build()), contains("unknown value type 99"));
}

TEST_CASE("Sizes that do not fit are refused before anything is reserved") {
  constexpr std::uint64_t huge = std::uint64_t{1} << 40;
  CHECK_THAT(complaint(small_model().tensor("x.weight", {huge, huge}, 0, 32).build()),
             Catch::Contains("does not fit 63 bits"));
  CHECK_THAT(complaint(small_model().tensor("x.weight", {std::uint64_t{1} << 63}, 0, 32).build()),
             Catch::Contains("dimension 0"));
  CHECK_THAT(complaint(small_model().claim(200'000, 10).build()), Catch::Contains("cut short"));
  CHECK_THAT(complaint(small_model().claim(~std::uint64_t{0}, 10).build()),
             Catch::Contains("the number of tensors"));
  CHECK_THAT(complaint(small_model().claim(2, huge).build()), Catch::Contains("the number of metadata keys"));
  // An array of 2^40 numbers, of strings, and one text that long, in a file of some kilobytes.
  const std::string length("\0\0\0\0\0\1\0\0", 8);
  CHECK_THAT(complaint(small_model().raw_pair("x", 9, std::string("\4\0\0\0", 4) + length).build()),
             Catch::Contains("cut short"));
  CHECK_THAT(complaint(small_model().raw_pair("x", 9, std::string("\10\0\0\0", 4) + length).build()),
             Catch::Contains("cut short"));
  CHECK_THAT(complaint(small_model().raw_pair("x", 8, length).build()), Catch::Contains("cut short"));
  CHECK_THAT(complaint(small_model().raw_pair("x", 9, std::string("\11\0\0\0", 4) + length).build()),
             Catch::Contains("array of arrays"));
}

TEST_CASE("A shape beyond the engine's own limits is refused") {
  const auto with = [](const char* key, auto value) {
    return complaint(GgufBuilder()
                         .text("general.architecture", "llama")
                         .number(std::string("llama.") + key, value)
                         .build());
  };
  CHECK_THAT(with("block_count", std::uint32_t{513}), Catch::Contains("513 layers"));
  CHECK_THAT(with("block_count", std::int32_t{-1}), Catch::Contains("-1 layers"));
  CHECK_THAT(with("nextn_predict_layers", std::uint32_t{1}), Catch::Contains("1 of them"));
  CHECK_THAT(with("embedding_length", std::uint64_t{1} << 32), Catch::Contains("does not fit 32 bits"));
  CHECK_THAT(with("embedding_length", ~std::uint64_t{0}), Catch::Contains("does not fit 63 bits"));
  CHECK(with("embedding_length", std::uint64_t{4096}).empty());
}

TEST_CASE("A file's words cannot steer the terminal") {
  const auto named =
      GgufBuilder().text("general.architecture", "llama").text("general.name", "\x1b[2Jgone\n");
  CHECK(read(named.build())->name == "?[2Jgone?");
  CHECK(complaint(GgufBuilder().text("general.architecture", "\x1b[31m").build()).find('\x1b') ==
        std::string::npos);
  CHECK_THAT(complaint(small_model().tensor("\x1b[2J", {8, 0}, 0, 32).build()), Catch::Contains("?[2J"));
}

TEST_CASE("Long texts and arrays are passed over, not kept") {
  auto file = small_model();
  file.text("general.license", std::string(100'000, 'x'))
      .list<std::int32_t>("llama.long", std::vector<std::int32_t>(5000, 1));
  const auto model = read(file.build());
  REQUIRE(model);
  CHECK_FALSE(model->hyperparameters.has("general.license"));
  CHECK_FALSE(model->hyperparameters.has("long"));
}

TEST_CASE("Any shard leads to all of them") {
  const auto shard = [](std::uint16_t number) {
    auto file = GgufBuilder();
    if (number == 0) file.text("general.architecture", "llama");
    file.number<std::uint16_t>("split.no", number)
        .number<std::uint16_t>("split.count", 2)
        .number<std::int32_t>("split.tensors.count", 2);
    return file.tensor(number == 0 ? "a.weight" : "b.weight", {8}, 0, 32);
  };
  MemoryFiles files{{"d/m-00001-of-00002.gguf", shard(0).build()},
                    {"d/m-00002-of-00002.gguf", shard(1).build()}};
  for (const char* path : {"d/m-00001-of-00002.gguf", "d/m-00002-of-00002.gguf"}) {
    const auto model = read_gguf(files, path, types());
    REQUIRE(model);
    CHECK(model->id == "m");
    CHECK(model->tensors.size() == 2);
    CHECK(model->header_size.value->value() ==
          static_cast<std::int64_t>(shard(0).header().size() + shard(1).header().size()));
  }
  const MemoryFiles half{{"m-00002-of-00002.gguf", shard(1).build()}};
  CHECK_THAT(read_gguf(half, "m-00002-of-00002.gguf", types()).error().message,
             Catch::Contains("the first shard is missing"));
  const MemoryFiles other_half{{"m-00001-of-00002.gguf", shard(0).build()}};
  CHECK_THAT(read_gguf(other_half, "m-00001-of-00002.gguf", types()).error().message,
             Catch::Contains("one of the model's 2 shards"));
  const MemoryFiles renamed{{"m.gguf", shard(0).build()}};
  CHECK_THAT(read_gguf(renamed, "m.gguf", types()).error().message,
             Catch::Contains("its name does not say so"));
}
