// Blocks for what surrounds attention and feed-forward networks: embeddings, norms, residuals, the head.
#include "llmsize/core/graph_blocks.hpp"

namespace llmsize {
namespace {

/// The engine's test for multi-dimensional positions: the first two sections have a width.
bool uses_rope_sections(const GraphContext& context) {
  const auto* sections = context.hyperparameters().list("rope.dimension_sections");
  return sections != nullptr && sections->size() >= 2 && (*sections)[0] > 0 && (*sections)[1] > 0;
}

void build_embedding(GraphContext& context, const GraphStep& step) {
  auto& graph = context.graph();
  const auto tokens = context.tokens();
  if (step.value("positions") == "4") context.set_positions_per_token(4);
  if (step.value("positions") == "sections" && uses_rope_sections(context))
    context.set_positions_per_token(4);
  const TensorId table = context.global_weight("token_embd");
  const TensorId ids = context.input_once("inp_tokens", tensor_type::i32, {tokens, 1, 1, 1});
  const TensorId rows = graph.get_rows(table, ids);
  graph.expand(rows);
  // The engine keeps a second way in, for vectors instead of tokens; its place stays reserved.
  const auto deepstack = context.hyperparameters().integer("n_deepstack_layers").value_or(0);
  const std::int64_t width = graph.dimension(rows, 0) * (step.has("deepstack") ? 1 + deepstack : 1);
  graph.expand(context.input_once("inp_embd", tensor_type::f32, {width, tokens, 1, 1}));
  context.set_current(graph.with_role(rows, Role::residual));
}

/// Adds a learned vector per position.
void build_position_embedding(GraphContext& context, const GraphStep& step) {
  if (step.has("if_present") && !context.has("position_embd")) return;
  auto& graph = context.graph();
  const TensorId rows = graph.get_rows(context.global_weight("position_embd"), context.positions());
  context.set_current(graph.with_role(graph.add(context.current(), rows), Role::residual));
}

void build_scale(GraphContext& context, const GraphStep& step) {
  // The engine leaves out a factor of 1 in some places.
  const auto key = step.value("unless_one");
  if (!key.empty() && context.hyperparameters().number(key).value_or(1) == 1) return;
  context.set_current(context.graph().scale(context.current()));
}

NormKind norm_kind(const GraphStep& step) {
  return step.has("layer") ? NormKind::layer : NormKind::rms;
}

void build_norm(GraphContext& context, const GraphStep& step) {
  if (step.has("if_present") && !context.has(step.operand(0))) return;
  const auto from = step.value("from");
  const TensorId x = from.empty() ? context.current() : context.saved(from);
  context.set_current(normalize(context, step.operand(0), x, norm_kind(step)));
}

/// A bare projection: the layers of Nemotron that replace attention by one matrix.
void build_project(GraphContext& context, const GraphStep& step) {
  context.set_current(linear(context, step.operand(0), context.current()));
}

/// Element-wise product with a weight, where the layer has it.
void build_multiply(GraphContext& context, const GraphStep& step) {
  TensorId weight = context.find(step.operand(0));
  if (weight == no_tensor) weight = context.find(step.operand(0), "");  // Other kinds, such as ".scale".
  if (weight == no_tensor) return;
  const auto from = step.value("from");
  const TensorId x = from.empty() ? context.current() : context.saved(from);
  context.set_current(context.graph().mul(x, weight));
}

/// Marks the current tensor as read from outside.
void build_output(GraphContext& context, const GraphStep&) {
  context.graph().output(context.current());
}

void build_save(GraphContext& context, const GraphStep& step) {
  context.save(step.operand(0), context.current());
}

void build_load(GraphContext& context, const GraphStep& step) {
  context.set_current(context.saved(step.operand(0)));
}

void build_add(GraphContext& context, const GraphStep& step) {
  const TensorId other = context.saved(step.operand(0));
  auto& graph = context.graph();
  const TensorId sum =
      step.has("reversed") ? graph.add(other, context.current()) : graph.add(context.current(), other);
  context.set_current(graph.with_role(sum, Role::residual));
}

/// In the last layer, or behind it, only the rows whose logits are asked for go on.
void build_rows(GraphContext& context, const GraphStep& step) {
  if (context.layer() >= 0 && !context.in_last_layer()) return;
  auto& graph = context.graph();
  for (const std::string_view name : step.words) {
    const TensorId x = name == "current" ? context.current() : context.saved(name);
    const TensorId rows = graph.get_rows(x, context.output_ids());
    if (name == "current")
      context.set_current(rows);
    else
      context.save(name, rows);
  }
}

void build_head(GraphContext& context, const GraphStep& step) {
  auto& graph = context.graph();
  if (!step.has("no_embeddings")) graph.output(context.current());
  TensorId logits = graph.mul_mat(context.output_weight(), context.current());
  if (const TensorId scale = context.find_global("output", ".scale"); scale != no_tensor)
    logits = graph.mul(logits, scale);
  if (const TensorId bias = context.find_global("output", ".bias");
      bias != no_tensor && !step.has("unbiased"))
    logits = graph.add(logits, bias);
  const auto& hyper = context.hyperparameters();
  if (step.has("scaled") && hyper.number("logit_scale").value_or(0) != 0) logits = graph.scale(logits);
  if (step.has("scaled_always")) logits = graph.scale(logits);
  if (step.has("softcap") && hyper.number("final_logit_softcapping").value_or(0) != 0)
    logits = graph.scale(graph.unary(graph.scale(logits)));
  graph.output(graph.with_role(logits, Role::logits));
  graph.expand(logits);
  context.set_current(logits);
}

constexpr std::string_view embedding_flags[] = {"positions=", "deepstack"};
constexpr std::string_view position_flags[] = {"if_present"};
constexpr std::string_view scale_flags[] = {"unless_one="};
constexpr std::string_view norm_flags[] = {"layer", "if_present", "from="};
constexpr std::string_view multiply_flags[] = {"from="};
constexpr std::string_view add_flags[] = {"reversed"};
constexpr std::string_view head_flags[] = {"no_embeddings", "scaled", "scaled_always", "softcap", "unbiased"};

constexpr GraphBlock blocks[] = {
    {"embedding", build_embedding, embedding_flags, 0},
    {"position_embedding", build_position_embedding, position_flags, 0},
    {"scale", build_scale, scale_flags, 0},
    {"norm", build_norm, norm_flags, 1},
    {"project", build_project, {}, 1},
    {"multiply", build_multiply, multiply_flags, 1},
    {"output", build_output, {}, 0},
    {"save", build_save, {}, 1},
    {"load", build_load, {}, 1},
    {"add", build_add, add_flags, 1},
    {"rows", build_rows, {}, 4},
    {"head", build_head, head_flags, 0},
};

}  // namespace

std::span<const GraphBlock> flow_blocks() {
  return blocks;
}

}  // namespace llmsize
