// Embeddings of their own for each layer, as in Gemma 3n and 4.
#include "llmsize/core/graph_blocks.hpp"

namespace llmsize {
namespace {

/// Looks up and projects the embeddings of all layers: saved as "per_layer", [width, tokens, layers].
void build_per_layer_input(GraphContext& context, const GraphStep&) {
  const TensorId table = context.find_global("per_layer_token_embd");
  if (table == no_tensor) return;
  auto& graph = context.graph();
  const std::int64_t tokens = context.tokens(), layers = context.layer_count();
  const std::int64_t width = graph.dimension(table, 0) / layers;
  // The engine makes a second input for the token ids.
  const TensorId ids = context.input_once("inp_tokens_per_layer", tensor_type::i32, {tokens, 1, 1, 1});
  const Dimensions by_layer{width, layers, tokens, 1};
  const TensorId rows = graph.scale(graph.reshape(graph.get_rows(table, ids), by_layer));
  graph.expand(rows);
  TensorId projected = graph.mul_mat(context.global_weight("per_layer_model_proj"), context.current());
  projected = graph.reshape(graph.scale(projected), by_layer);
  projected = normalize(context, "per_layer_proj_norm", projected);
  const TensorId sum = graph.scale(graph.add(projected, rows));
  context.save("per_layer", graph.cont(graph.permute(sum, {0, 2, 1, 3})));
}

/// Adds what the layer's own embedding, gated by the current tensor, projects to.
void build_per_layer_embedding(GraphContext& context, const GraphStep&) {
  if (!context.has_saved("per_layer")) return;
  auto& graph = context.graph();
  const TensorId before = context.current();
  const TensorId all = context.saved("per_layer");
  const TensorId own =
      graph.view_2d(all, graph.dimension(all, 0), graph.dimension(all, 1), graph.stride(all, 1));
  TensorId x = graph.unary(graph.mul_mat(context.weight("inp_gate"), before));
  x = graph.mul_mat(context.weight("proj"), graph.mul(x, own));
  x = normalize(context, "post_norm", x);
  context.set_current(graph.with_role(graph.add(before, x), Role::residual));
}

constexpr GraphBlock blocks[] = {
    {"per_layer_input", build_per_layer_input, {}, 0},
    {"per_layer_embedding", build_per_layer_embedding, {}, 0},
};

}  // namespace

std::span<const GraphBlock> per_layer_blocks() {
  return blocks;
}

}  // namespace llmsize
