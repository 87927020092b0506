#include "llmsize/core/graph_builder.hpp"

#include <catch2/catch.hpp>

#include "llmsize/core/graph_blocks.hpp"
#include "llmsize/core/graph_rule.hpp"

using namespace llmsize;

TEST_CASE("Expansion lists sources before uses, and each tensor once") {
  GraphBuilder graph;
  const TensorId weight = graph.external("w", tensor_type::f32, {8, 4, 1, 1});
  const TensorId x = graph.input("x", tensor_type::f32, {8, 3, 1, 1});
  const TensorId product = graph.mul_mat(weight, x);
  const TensorId sum = graph.add(product, product);
  graph.expand(sum);
  graph.expand(product);
  const auto finished = std::move(graph).finish();
  REQUIRE(finished.has_value());
  CHECK(finished->nodes == std::vector<TensorId>{product, sum});
  CHECK(finished->leafs == std::vector<TensorId>{weight, x});
  CHECK(finished->tensors[static_cast<std::size_t>(sum)].dimensions == Dimensions{4, 3, 1, 1});
  CHECK(finished->tensors[static_cast<std::size_t>(sum)].size == 48);
}

TEST_CASE("A view of a view shows the first tensor's place") {
  GraphBuilder graph;
  const TensorId x = graph.input("x", tensor_type::f32, {8, 4, 1, 1});
  const TensorId turned = graph.permute(graph.reshape(x, {4, 2, 4, 1}), {0, 2, 1, 3});
  CHECK(graph.at(turned).view_origin == x);
  CHECK(graph.at(turned).dimensions == Dimensions{4, 4, 2, 1});
  CHECK_FALSE(graph.is_contiguous(turned));
}

TEST_CASE("Shapes that contradict each other are an error that names both tensors") {
  GraphBuilder graph;
  const TensorId weight = graph.external("w", tensor_type::f32, {8, 4, 1, 1});
  const TensorId x = graph.input("x", tensor_type::f32, {7, 3, 1, 1});
  graph.expand(graph.mul_mat(weight, x));
  const auto finished = std::move(graph).finish();
  REQUIRE_FALSE(finished.has_value());
  CHECK(finished.error().code == ErrorCode::malformed);
  CHECK(finished.error().message.find("w[8, 4, 1, 1] and x[7, 3, 1, 1]") != std::string::npos);
}

TEST_CASE("Dimensions whose product leaves 64 bits saturate the size") {
  GraphBuilder graph;
  const std::int64_t huge = std::int64_t{1} << 40;
  const TensorId x = graph.input("x", tensor_type::f32, {huge, huge, 1, 1});
  CHECK(Bytes(graph.at(x).size).is_saturated());
}

TEST_CASE("Steps name an existing block and its flags") {
  const auto step = parse_graph_step("moe gating=sigmoid  normalize");
  REQUIRE(step.has_value());
  CHECK(step->block == "moe");
  CHECK(step->value("gating") == "sigmoid");
  CHECK(step->has("normalize"));
  CHECK_FALSE(parse_graph_step("teleport").has_value());
  CHECK_FALSE(parse_graph_step("attention backwards").has_value());
}
