#include "llmsize/core/expression.hpp"

#include <catch2/catch.hpp>

using namespace llmsize;

namespace {

Hyperparameters two_layers() {
  Hyperparameters h;
  h.set("block_count", std::int64_t{2});
  h.set("embedding_length", std::int64_t{64});
  h.set("attention.head_count", std::vector<std::int64_t>{4, 8});
  h.set("attention.head_count_kv", std::vector<std::int64_t>{0, 2});
  h.set("feed_forward_length", std::int64_t{100});
  h.set("huge", std::int64_t{4'000'000'000'000});
  return h;
}

Result<std::int64_t> value_of(const std::string& text, int layer = 0) {
  const auto hyperparameters = two_layers();
  LayerScope scope(hyperparameters);
  const auto expression = Expression::parse(text);
  if (!expression) return tl::unexpected(expression.error());
  return expression->bind(scope).evaluate(layer);
}

bool holds(const Hyperparameters& hyperparameters, const std::string& text, int layer) {
  LayerScope scope(hyperparameters);
  return Condition::parse(text)->bind(scope).holds(layer);
}

}  // namespace

TEST_CASE("expressions follow the usual precedence") {
  CHECK(*value_of("2 + 3 * 4") == 14);
  CHECK(*value_of("(2 + 3) * 4") == 20);
  CHECK(*value_of("20 / 2 / 5 - 1") == 1);
  CHECK(*value_of("embedding") == 64);
}

TEST_CASE("names take each layer's own value") {
  CHECK(*value_of("heads * 2", 0) == 8);
  CHECK(*value_of("heads * 2", 1) == 16);
  CHECK(*value_of("kv_heads", 1) == 2);
  // The engine divides by the first layer's heads where no key length is stated.
  CHECK(*value_of("key_length", 1) == 16);
}

TEST_CASE("an expression that cannot be computed says why") {
  CHECK(value_of("embedding / 7").error().message == "\"embedding / 7\" does not divide evenly");
  CHECK(value_of("embedding / 0").error().code == ErrorCode::malformed);
  CHECK(value_of("ssm.inner_size").error().message ==
        "\"ssm.inner_size\" is missing or has no value for layer 0");
  CHECK(value_of("huge * huge").error().code == ErrorCode::overflow);
}

TEST_CASE("a text that is no expression is refused where it goes wrong") {
  for (const char* text :
       {"", "2 +", "heads heads", "(2", "2)", "-3", "2 ** 3", "3 $", "99999999999999999999"})
    CHECK(Expression::parse(text).error().code == ErrorCode::malformed);
  CHECK(Expression::parse("2 +").error().message ==
        "\"2 +\": a name, a number or \"(\" expected at character 4");
  CHECK_FALSE(Expression::parse(std::string(100, '(') + "1" + std::string(100, ')')));
  CHECK_FALSE(Expression::parse(std::string(1000, '1')));
}

TEST_CASE("conditions join names with and, not and equality") {
  auto h = two_layers();
  CHECK(holds(h, "", 0));
  CHECK(holds(h, "attention", 1));
  CHECK_FALSE(holds(h, "attention", 0));
  CHECK(holds(h, "recurrent and feed_forward", 0));
  CHECK(holds(h, "not feature.tied_embeddings", 0));
  CHECK(holds(h, "heads=8", 1));
  CHECK_FALSE(holds(h, "heads=8", 0));
  CHECK(holds(h, "not heads=8", 0));
  CHECK_FALSE(Condition::parse("heads or kv_heads"));
  CHECK_FALSE(Condition::parse("not"));
  CHECK_FALSE(Condition::parse("and heads"));
}

TEST_CASE("expert layers follow the leading dense layers, the step or the stated period") {
  Hyperparameters h;
  h.set("block_count", std::int64_t{6});
  CHECK_FALSE(holds(h, "expert", 3));
  h.set("expert_count", std::int64_t{8});
  h.set("leading_dense_block_count", std::int64_t{2});
  CHECK(holds(h, "dense", 1));
  CHECK(holds(h, "expert", 2));
  h.set("leading_dense_block_count", std::int64_t{0});
  h.set("interleave_moe_layer_step", std::int64_t{2});
  CHECK(holds(h, "dense", 0));
  CHECK(holds(h, "expert", 1));
  h.set("feature.expert_layer_period", std::int64_t{3});
  h.set("feature.expert_layer_offset", std::int64_t{1});
  CHECK(holds(h, "expert", 4));
  CHECK(holds(h, "dense", 5));
}

TEST_CASE("recurrent layers are listed, or follow the interval of full attention") {
  Hyperparameters h;
  h.set("block_count", std::int64_t{8});
  h.set("full_attention_interval", std::int64_t{4});
  CHECK(holds(h, "recurrent", 2));
  CHECK(holds(h, "attention", 3));
  h.set("attention.recurrent_layers", std::vector<std::int64_t>{0, 1, 0, 1, 0, 1, 0, 1});
  CHECK(holds(h, "attention", 2));
  CHECK(holds(h, "recurrent", 3));
}
