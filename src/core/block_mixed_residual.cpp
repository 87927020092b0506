// DeepSeek-V4's hyper-connections: several residual streams, each part's weights of which one matrix makes.
#include "llmsize/core/graph_blocks.hpp"

namespace llmsize {
namespace {

constexpr std::string_view streams_name = "mixed_streams";  // [width, count, tokens].
constexpr std::string_view mixes_name = "mixed_weights";

std::string part_name(const GraphStep& step, std::string_view what) {
  return "hc_" + std::string(step.operand(0)) + std::string(what);
}

/// How much each stream gives (before a part) or takes (after it), [count, tokens].
TensorId shares(GraphContext& context, const GraphStep& step) {
  auto& graph = context.graph();
  const TensorId mixes = context.saved(mixes_name);
  const std::int64_t count = graph.dimension(context.saved(streams_name), 1);
  const TensorId part = graph.view_2d(mixes, count, graph.dimension(mixes, 1), graph.stride(mixes, 1));
  const auto piece = [&](std::string_view what, std::int64_t elements) {
    const TensorId weight = context.weight(part_name(step, what));
    const std::int64_t size = elements * graph.stride(weight, 0);
    return graph.view(weight, {elements, 1, 1, 1}, {size, size, size});
  };
  const TensorId scaled = graph.mul(part, piece("_scale", 1));
  return graph.scale(graph.unary(graph.add(scaled, piece("_base", count))));
}

void build_start(GraphContext& context, const GraphStep&) {
  auto& graph = context.graph();
  const TensorId x = context.current();
  const std::int64_t width = graph.dimension(x, 0), tokens = graph.dimension(x, 1);
  // The engine's operations know four streams.
  constexpr std::int64_t streams = 4;
  context.save(streams_name,
               graph.repeat(graph.reshape(x, {width, 1, tokens, 1}), {width, streams, tokens, 1}));
}

void build_before(GraphContext& context, const GraphStep& step) {
  auto& graph = context.graph();
  const TensorId streams = context.saved(streams_name);
  const auto d = graph.at(streams).dimensions;
  const TensorId normed = graph.rms_norm(graph.reshape(streams, {d[0] * d[1], d[2], 1, 1}));
  context.save(mixes_name, graph.mul_mat(context.weight(part_name(step, "_fn")), normed));
  const TensorId given = shares(context, step);
  const TensorId taken = shares(context, step);
  const TensorId mixes = context.saved(mixes_name);
  const TensorId among = graph.node(
      Operation::dsv4_hc_comb, tensor_type::f32, {d[1], d[1], d[2], 1},
      {mixes, context.weight(part_name(step, "_scale")), context.weight(part_name(step, "_base"))});
  // Before the feed-forward part the engine also makes what it needs behind it.
  if (step.has("all_at_once")) {
    graph.expand(taken);
    graph.expand(among);
  }
  context.save("streams_taken", taken);
  context.save("streams_among", among);
  context.set_current(
      graph.node(Operation::dsv4_hc_pre, tensor_type::f32, {d[0], d[2], 1, 1}, {streams, given}));
}

void build_after(GraphContext& context, const GraphStep&) {
  auto& graph = context.graph();
  const TensorId streams = context.saved(streams_name);
  context.save(streams_name,
               graph.node(Operation::dsv4_hc_post, tensor_type::f32, graph.at(streams).dimensions,
                          {context.current(), streams, context.saved("streams_taken"),
                           context.saved("streams_among")}));
}

/// The weighted sum of the streams, of the rows whose logits are asked for.
void build_end(GraphContext& context, const GraphStep&) {
  auto& graph = context.graph();
  const TensorId streams = context.saved(streams_name);
  const auto d = graph.at(streams).dimensions;
  const Dimensions flat{d[0] * d[1], d[2], 1, 1};
  TensorId rows = graph.get_rows(graph.reshape(streams, flat), context.output_ids());
  const std::int64_t count = graph.dimension(rows, 1);
  rows = graph.reshape(rows, {d[0], d[1], count, 1});
  TensorId all = graph.rms_norm(graph.reshape(rows, {d[0] * d[1], count, 1, 1}));
  all = graph.mul_mat(context.global_weight("output_hc_fn"), all);
  all = graph.mul(all, context.global_weight("output_hc_scale"));
  all = graph.scale(graph.unary(graph.add(all, context.global_weight("output_hc_base"))));
  TensorId sum = no_tensor;
  for (std::int64_t i = 0; i < d[1]; ++i) {
    const TensorId stream = graph.view_2d(rows, d[0], count, graph.stride(rows, 2));
    const TensorId share = graph.view_2d(all, 1, count, graph.stride(all, 1));
    const TensorId one = graph.mul(stream, share);
    sum = sum == no_tensor ? one : graph.add(sum, one);
  }
  context.set_current(sum);
}

constexpr std::string_view before_flags[] = {"all_at_once"};
constexpr GraphBlock blocks[] = {
    {"mixed_start", build_start, {}, 0},
    {"mixed_before", build_before, before_flags, 1},
    {"mixed_after", build_after, {}, 1},
    {"mixed_end", build_end, {}, 0},
};

}  // namespace

std::span<const GraphBlock> mixed_residual_blocks() {
  return blocks;
}

}  // namespace llmsize
