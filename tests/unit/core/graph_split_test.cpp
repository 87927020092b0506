#include "llmsize/core/graph_split.hpp"

#include <catch2/catch.hpp>

#include "llmsize/core/graph_builder.hpp"

using namespace llmsize;

namespace {

constexpr std::int8_t first = 0, second = 1, host = 2;

/// x on the host goes through one matrix on each device; each step is 8 x 4 F32 = 128 bytes.
struct TwoMatrices {
  TensorGraph graph;
  FixedPlaces places;

  TwoMatrices() {
    GraphBuilder builder;
    const TensorId x = builder.input("x", tensor_type::f32, {8, 4, 1, 1});
    const TensorId a = builder.external("a", tensor_type::f32, {8, 8, 1, 1});
    const TensorId b = builder.external("b", tensor_type::f32, {8, 8, 1, 1});
    const TensorId product = builder.sqr(builder.mul_mat(a, x));
    builder.expand(builder.output(builder.mul_mat(b, product)));
    graph = *std::move(builder).finish();
    places.devices.assign(graph.tensors.size(), FixedPlaces::anywhere);
    places.device_count = 3;
    places.devices[static_cast<std::size_t>(x)] = host;
    places.devices[static_cast<std::size_t>(a)] = first;
    places.devices[static_cast<std::size_t>(b)] = second;
  }
};

}  // namespace

TEST_CASE("Operations run where their weight is, and what crosses is copied once") {
  TwoMatrices two;
  const auto sizes = reserve(split_graph(two.graph, two.places));
  // By hand. Host: x. First device: x's copy and the product beside it, squared in place.
  // Second device: the copy of the square beside the result.
  CHECK(sizes[host].size == Bytes(128));
  CHECK(sizes[first].size == Bytes(256));
  CHECK(sizes[second].size == Bytes(256));
}

TEST_CASE("A pipeline keeps inputs and crossing tensors once per micro-batch in flight") {
  TwoMatrices two;
  two.places.copies = 4;
  const auto sizes = reserve(split_graph(two.graph, two.places));
  // By hand: four times x; four copies of it and the product; four copies of the square and the result.
  CHECK(sizes[host].size == Bytes(4 * 128));
  CHECK(sizes[first].size == Bytes(4 * 128 + 128));
  CHECK(sizes[second].size == Bytes(4 * 128 + 128));
}

TEST_CASE("A device that takes large batches over gets a copy of the host's weight, padded its way") {
  TwoMatrices two;
  for (auto& place : two.places.devices)
    if (place != FixedPlaces::anywhere) place = host;
  two.places.host_weights_runner = first;
  two.places.rules = {{512, 0}, {32, 0}, {32, 0}};
  // Four tokens are too few.
  CHECK(reserve(split_graph(two.graph, two.places))[first].size == Bytes(0));
  GraphBuilder builder;
  const TensorId x = builder.input("x", tensor_type::f32, {8, 32, 1, 1});
  const TensorId a = builder.external("a", tensor_type::f32, {8, 8, 1, 1});
  builder.expand(builder.output(builder.mul_mat(a, x)));
  FixedPlaces places = two.places;
  const auto graph = *std::move(builder).finish();
  places.devices.assign(graph.tensors.size(), FixedPlaces::anywhere);
  places.devices[static_cast<std::size_t>(x)] = places.devices[static_cast<std::size_t>(a)] = host;
  // By hand: the weight (256 bytes, padded to 512), 1024 bytes of x and as many of the product.
  CHECK(reserve(split_graph(graph, places))[first].size == Bytes(512 + 1024 + 1024));
}

TEST_CASE("With everything on the host the split changes nothing") {
  TwoMatrices two;
  for (auto& place : two.places.devices)
    if (place != FixedPlaces::anywhere) place = host;
  const auto sizes = reserve(split_graph(two.graph, two.places));
  CHECK(sizes[host].size == reserve(two.graph).size);
  CHECK(sizes[first].size == Bytes(0));
}
