// Alternating updates and low-rank residuals of Gemma 3n: the residual stream is several streams wide, of
// which one is computed per layer and the others are predicted and corrected.
#include "llmsize/core/graph_blocks.hpp"

namespace llmsize {
namespace {

// The engine's defaults (n_altup, i_altup_act, f_sparsity_std_mul's number of layers), none of them in files.
constexpr std::int64_t stream_count = 4;
constexpr int sparse_layer_count = 10;

/// One of the streams of x, [width, tokens, streams].
TensorId stream_of(GraphBuilder& graph, TensorId x) {
  return graph.view_2d(x, graph.dimension(x, 0), graph.dimension(x, 1), graph.stride(x, 1));
}

TensorId all_but_first(GraphBuilder& graph, TensorId x) {
  return graph.view_3d(x, graph.dimension(x, 0), graph.dimension(x, 1), graph.dimension(x, 2) - 1,
                       graph.stride(x, 1), graph.stride(x, 2));
}

TensorId magnitude(GraphBuilder& graph, TensorId x) {
  return graph.sqrt(graph.sum_rows(graph.sqr(x)));
}

/// The other streams from the first: projected, then scaled to its magnitude.
void build_spread(GraphContext& context, const GraphStep&) {
  auto& graph = context.graph();
  const TensorId x = context.current();
  const TensorId target = magnitude(graph, x);
  const auto d = graph.at(x).dimensions;
  const TensorId repeated = graph.repeat(x, {d[0], d[1], stream_count - 1, 1});
  const TensorId others = graph.mul_mat(context.global_weight("altup_proj"), repeated);
  const TensorId own = magnitude(graph, others);
  const TensorId scaled = graph.div(graph.mul(others, target), own);
  context.set_current(graph.concat(x, scaled, 2));
}

/// How much each stream counts, from the active one: [streams, tokens].
TensorId modalities(GraphContext& context, TensorId x) {
  auto& graph = context.graph();
  const TensorId scaled = graph.scale(normalize(context, "altup_router_norm", x));
  return graph.unary(graph.mul_mat(context.weight("altup_router"), scaled));
}

/// Predicts all streams; the active one becomes the current tensor.
void build_predict(GraphContext& context, const GraphStep&) {
  auto& graph = context.graph();
  const TensorId x = context.current();
  const TensorId weights = modalities(context, stream_of(graph, x));
  const TensorId mixing = graph.reshape(graph.mul_mat(context.weight("altup_predict_coef"), weights),
                                        {stream_count, stream_count, context.tokens(), 1});
  const TensorId by_stream = graph.cont(graph.permute(x, {1, 2, 0, 3}));
  const TensorId mixed = graph.mul_mat(by_stream, mixing);
  const TensorId predictions = graph.add(graph.cont(graph.permute(mixed, {0, 2, 1, 3})), x);
  context.save("predictions", predictions);
  context.set_current(stream_of(graph, predictions));
  context.save("residual", context.current());
}

/// A low-rank second way around attention, saved as "laurel".
void build_laurel(GraphContext& context, const GraphStep&) {
  auto& graph = context.graph();
  const TensorId x = context.current();
  TensorId low = graph.mul_mat(context.weight("laurel_l"), x);
  low = graph.mul_mat(context.weight("laurel_r"), low);
  low = normalize(context, "laurel_post_norm", low);
  context.save("laurel", graph.add(low, x));
}

/// Keeps only the gates that stand out from the rest of their row.
TensorId sparse_gate(GraphBuilder& graph, TensorId gate) {
  Dimensions one_per_row = graph.at(gate).dimensions;
  one_per_row[0] = 1;
  const TensorId mean = graph.node(Operation::mean, tensor_type::f32, one_per_row, {gate});
  const TensorId squares = graph.sum_rows(graph.sqr(graph.sub(gate, mean)));
  const TensorId deviation = graph.sqrt(graph.scale(squares));
  const TensorId cutoff = graph.add(mean, graph.scale(deviation));
  return graph.unary(graph.sub(gate, cutoff));
}

void build_sparse_feed_forward(GraphContext& context, const GraphStep&) {
  auto& graph = context.graph();
  const TensorId x = context.current();
  const TensorId up = graph.with_role(graph.mul_mat(context.weight("ffn_up"), x), Role::ffn_up);
  TensorId gate = graph.with_role(graph.mul_mat(context.weight("ffn_gate"), x), Role::ffn_gate);
  if (context.layer() < sparse_layer_count) gate = sparse_gate(graph, gate);
  const TensorId gated = graph.with_role(graph.mul(up, graph.unary(gate)), Role::ffn_gated);
  context.set_current(graph.with_role(graph.mul_mat(context.weight("ffn_down"), gated), Role::ffn_down));
}

/// Corrects all streams by what the active one turned out to be.
TensorId corrected_streams(GraphContext& context, TensorId predictions, TensorId activated) {
  auto& graph = context.graph();
  const TensorId weights = modalities(context, activated);
  const TensorId error = graph.sub(activated, stream_of(graph, predictions));
  TensorId factors = graph.scale(graph.mul_mat(context.weight("altup_correct_coef"), weights));
  factors = graph.cont(graph.transpose(factors), {1, context.tokens(), stream_count, 1});
  const auto d = graph.at(error).dimensions;
  const TensorId spread = graph.repeat(error, {d[0], d[1], stream_count, 1});
  return graph.add(graph.mul(spread, factors), predictions);
}

void build_correct(GraphContext& context, const GraphStep&) {
  auto& graph = context.graph();
  const TensorId streams = corrected_streams(context, context.saved("predictions"), context.current());
  TensorId x = graph.mul(stream_of(graph, streams), context.weight("altup_correct_scale"));
  x = graph.unary(graph.mul_mat(context.weight("inp_gate"), x));
  const TensorId all = context.saved("per_layer");
  x = graph.mul_mat(context.weight("proj"), graph.mul(x, stream_of(graph, all)));
  x = normalize(context, "post_norm", x);
  const TensorId first = stream_of(graph, streams);
  context.set_current(graph.concat(first, graph.add(all_but_first(graph, streams), x), 2));
}

/// The mean of all streams, each brought back to the first one's magnitude.
void build_merge(GraphContext& context, const GraphStep&) {
  auto& graph = context.graph();
  const TensorId x = context.current();
  const TensorId target = magnitude(graph, stream_of(graph, x));
  const TensorId others = graph.mul_mat(context.global_weight("altup_unembd_proj"), all_but_first(graph, x));
  const TensorId own = magnitude(graph, others);
  const TensorId scaled = graph.div(graph.mul(others, target), own);
  TensorId sum = stream_of(graph, x);
  for (std::int64_t i = 1; i < stream_count; ++i) sum = graph.add(sum, stream_of(graph, scaled));
  context.set_current(graph.scale(sum));
}

constexpr GraphBlock blocks[] = {
    {"altup_spread", build_spread, {}, 0},   {"altup_predict", build_predict, {}, 0},
    {"laurel", build_laurel, {}, 0},         {"sparse_ffn", build_sparse_feed_forward, {}, 0},
    {"altup_correct", build_correct, {}, 0}, {"altup_merge", build_merge, {}, 0},
};

}  // namespace

std::span<const GraphBlock> altup_blocks() {
  return blocks;
}

}  // namespace llmsize
