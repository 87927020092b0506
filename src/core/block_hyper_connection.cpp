// Hyper-connections: several residual streams, mixed into one before each block and fed by it afterwards.
#include "llmsize/core/graph_blocks.hpp"

namespace llmsize {
namespace {

constexpr std::string_view streams_name = "hyper_streams";
constexpr std::string_view mixes_name = "hyper_mixes";

/// The weights of one side: "hc_attn" or "hc_ffn", then what.
TensorId hyper_weight(GraphContext& context, const GraphStep& step, std::string_view what) {
  std::string name = "hc_";
  name += step.operand(0);
  name += what;
  return context.weight(name);
}

/// Streams, [width, count, tokens], in one row per token, normalized and mixed by `weights`.
TensorId mix(GraphBuilder& graph, TensorId streams, TensorId weights) {
  const auto d = graph.at(streams).dimensions;
  const TensorId rows = graph.reshape(streams, {d[0] * d[1], d[2], 1, 1});
  return graph.mul_mat(weights, graph.rms_norm(rows));
}

/// The part of the mixes that says how much each stream gives or takes, [count, tokens].
TensorId shares(GraphContext& context, const GraphStep& step, std::int64_t count) {
  auto& graph = context.graph();
  const TensorId mixes = context.saved(mixes_name);
  const TensorId part = graph.view_2d(mixes, count, graph.dimension(mixes, 1), graph.stride(mixes, 1));
  const auto piece = [&](std::string_view what, std::int64_t elements) {
    const TensorId weight = hyper_weight(context, step, what);
    const std::int64_t size = saturating_multiply(elements, graph.stride(weight, 0));
    return graph.view(weight, {elements, 1, 1, 1}, {size, size, size});
  };
  const TensorId scaled = graph.mul(part, piece("_scale", 1));
  return graph.scale(graph.unary(graph.add(scaled, piece("_base", count))));
}

TensorId stream(GraphBuilder& graph, TensorId streams) {
  return graph.view_2d(streams, graph.dimension(streams, 0), graph.dimension(streams, 2),
                       graph.stride(streams, 2));
}

TensorId share(GraphBuilder& graph, TensorId all) {
  return graph.view_2d(all, 1, graph.dimension(all, 1), graph.stride(all, 1));
}

/// The sum of the streams, each times its share: [width, tokens].
TensorId combine(GraphBuilder& graph, TensorId streams, TensorId all_shares) {
  const TensorId copy = graph.cast(streams, tensor_type::f32);
  TensorId sum = no_tensor;
  for (std::int64_t i = 0; i < graph.dimension(streams, 1); ++i) {
    const TensorId one = graph.mul(stream(graph, copy), share(graph, all_shares));
    sum = sum == no_tensor ? one : graph.add(sum, one);
  }
  return graph.cast(sum, tensor_type::f32);
}

/// As many streams as the head's weights tell: their rows hold all streams of a token.
void build_start(GraphContext& context, const GraphStep&) {
  auto& graph = context.graph();
  const TensorId x = context.current();
  const std::int64_t width = graph.dimension(x, 0), tokens = graph.dimension(x, 1);
  const std::int64_t rows = graph.dimension(context.global_weight("output_hc_fn"), 0);
  const TensorId one = graph.reshape(x, {width, 1, tokens, 1});
  context.save(streams_name, one);
  // The engine knows four; a file that wants very many would only cost time.
  constexpr std::int64_t most_streams = 64;
  if (width <= 0 || rows < width || rows % width != 0 || rows / width > most_streams) {
    graph.refuse(ErrorCode::malformed,
                 "output_hc_fn.weight does not hold a whole number of residual streams");
    return;
  }
  context.save(streams_name, graph.repeat(one, {width, rows / width, tokens, 1}));
}

void build_before(GraphContext& context, const GraphStep& step) {
  auto& graph = context.graph();
  const TensorId streams = context.saved(streams_name);
  context.save(mixes_name, mix(graph, streams, hyper_weight(context, step, "_fn")));
  context.set_current(combine(graph, streams, shares(context, step, graph.dimension(streams, 1))));
}

void build_after(GraphContext& context, const GraphStep& step) {
  auto& graph = context.graph();
  const TensorId streams = context.saved(streams_name);
  const auto d = graph.at(streams).dimensions;
  const TensorId copy = graph.cast(streams, tensor_type::f32);
  const TensorId fed = graph.cast(context.current(), tensor_type::f32);
  const TensorId gates = graph.cast(graph.scale(shares(context, step, d[1])), tensor_type::f32);
  TensorId result = no_tensor;
  for (std::int64_t i = 0; i < d[1]; ++i) {
    const TensorId one = graph.add(stream(graph, copy), graph.mul(fed, share(graph, gates)));
    const TensorId shaped = graph.reshape(one, {d[0], 1, d[2], 1});
    result = result == no_tensor ? shaped : graph.concat(result, shaped, 1);
  }
  context.save(streams_name, graph.cast(result, tensor_type::f32));
}

/// Mixes the streams of the rows whose logits are asked for.
void build_end(GraphContext& context, const GraphStep&) {
  auto& graph = context.graph();
  const TensorId streams = context.saved(streams_name);
  const auto d = graph.at(streams).dimensions;
  TensorId rows = graph.get_rows(graph.reshape(streams, {d[0] * d[1], d[2], 1, 1}), context.output_ids());
  rows = graph.reshape(rows, {d[0], d[1], graph.dimension(rows, 1), 1});
  TensorId all = mix(graph, rows, context.global_weight("output_hc_fn"));
  all = graph.mul(all, context.global_weight("output_hc_scale"));
  all = graph.scale(graph.unary(graph.add(all, context.global_weight("output_hc_base"))));
  context.set_current(combine(graph, rows, all));
}

constexpr GraphBlock blocks[] = {
    {"hyper_start", build_start, {}, 0},
    {"hyper_before", build_before, {}, 1},
    {"hyper_after", build_after, {}, 1},
    {"hyper_end", build_end, {}, 0},
};

}  // namespace

std::span<const GraphBlock> hyper_connection_blocks() {
  return blocks;
}

}  // namespace llmsize
