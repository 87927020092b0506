// Residuals that attend to earlier ones (Kimi K3): now and then the residual is put aside and starts anew;
// before each attention and feed-forward part it is mixed with all that were put aside, by learned scores.
#include "llmsize/core/graph_blocks.hpp"

namespace llmsize {
namespace {

constexpr std::string_view aside_name = "residuals_aside";  // [width, count, tokens].

/// How well each row of x suits the place: [1, …].
TensorId score(GraphBuilder& graph, TensorId x, TensorId weight) {
  return graph.sum_rows(graph.mul(graph.rms_norm(x), weight));
}

/// Mixes the current tensor with the residuals put aside.
void build_mix(GraphContext& context, const GraphStep& step) {
  if (!context.has_saved(aside_name)) return;
  auto& graph = context.graph();
  const TensorId x = context.current();
  const TensorId aside = context.saved(aside_name);
  const std::int64_t count = graph.dimension(aside, 1), tokens = graph.dimension(x, 1);
  const TensorId weight = context.weight(step.operand(0));
  const TensorId old_scores = graph.reshape(score(graph, aside, weight), {count, tokens, 1, 1});
  const TensorId shares = graph.soft_max(graph.concat(old_scores, score(graph, x, weight), 0));
  const auto part = [&](std::int64_t elements) {
    return graph.cont(graph.view_2d(shares, elements, tokens, graph.stride(shares, 1)));
  };
  const TensorId old_shares = part(count);
  const TensorId own_share = part(1);
  const TensorId mixed = graph.node(Operation::dsv4_hc_pre, tensor_type::f32,
                                    {graph.dimension(x, 0), tokens, 1, 1}, {aside, old_shares});
  context.set_current(graph.add(mixed, graph.mul(x, own_share)));
}

bool starts_anew(const GraphContext& context) {
  const auto every = context.hyperparameters().integer("attn_res.block_size");
  return every && *every > 0 && context.layer() % *every == 0;
}

/// On every so many layers, puts the residual NAME aside.
void build_put_aside(GraphContext& context, const GraphStep& step) {
  if (!starts_anew(context)) return;
  auto& graph = context.graph();
  const TensorId x = context.saved(step.operand(0));
  const TensorId one = graph.reshape(x, {graph.dimension(x, 0), 1, graph.dimension(x, 1), 1});
  context.save(aside_name,
               context.has_saved(aside_name) ? graph.concat(context.saved(aside_name), one, 1) : one);
}

/// Adds the residual NAME, unless it was put aside on this layer.
void build_add_unless_aside(GraphContext& context, const GraphStep& step) {
  if (starts_anew(context)) return;
  auto& graph = context.graph();
  const TensorId sum = graph.add(context.saved(step.operand(0)), context.current());
  context.set_current(graph.with_role(sum, Role::residual));
}

constexpr GraphBlock blocks[] = {
    {"mix_residuals", build_mix, {}, 1},
    {"put_aside", build_put_aside, {}, 1},
    {"add_unless_aside", build_add_unless_aside, {}, 1},
};

}  // namespace

std::span<const GraphBlock> residual_attention_blocks() {
  return blocks;
}

}  // namespace llmsize
