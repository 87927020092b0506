// Dense feed-forward networks, gated or plain.
#include "llmsize/core/graph_blocks.hpp"

namespace llmsize {
namespace {

/// Weight names of one network: "ffn" + "_up" + "_shexp".
std::string network_part(std::string_view prefix, std::string_view part, std::string_view suffix) {
  std::string name(prefix);
  name += part;
  name += suffix;
  return name;
}

}  // namespace

TensorId activate_ungated(GraphContext& context, TensorId x, const GraphStep& step) {
  auto& graph = context.graph();
  const auto activation = step.value("activation", "silu");
  if (activation == "swiglu" || activation == "geglu") return graph.gated_halves(x);
  TensorId activated = graph.unary(x);
  if (const TensorId scales = context.find("ffn.act.scales", ""); scales != no_tensor)
    activated = graph.div(activated, scales);  // MPT's AWQ files.
  return activation == "relu_sqr" ? graph.sqr(activated) : activated;
}

TensorId limited_gate(GraphBuilder& graph, TensorId gate, TensorId up) {
  const TensorId limited = graph.clamp(up);
  return graph.mul(graph.clamp(graph.unary(gate)), limited);
}

TensorId situ_gate(GraphContext& context, TensorId gate, TensorId up) {
  auto& graph = context.graph();
  const auto bounded = [&](TensorId x) { return graph.scale(graph.unary(graph.scale(x))); };
  const TensorId opened = graph.mul(bounded(gate), graph.unary(gate));
  const bool bounds_up = context.hyperparameters().number("activation.situ_linear_beta").value_or(0) > 0;
  return graph.mul(opened, bounds_up ? bounded(up) : up);
}

bool is_gate_limited(const GraphContext& context, std::string_view key) {
  const auto& hyper = context.hyperparameters();
  const auto found = hyper.all().find(key);
  if (found == hyper.all().end()) return false;
  const auto* limits = std::get_if<std::vector<double>>(&found->second);
  const auto layer = static_cast<std::size_t>(context.layer());
  constexpr double smallest_limit = 1e-6;  // The engine's epsilon for "no limit".
  if (limits != nullptr) return layer < limits->size() && (*limits)[layer] > smallest_limit;
  return hyper.number(key).value_or(0) > smallest_limit;
}

TensorId feed_forward(GraphContext& context, TensorId x, std::string_view prefix, std::string_view suffix,
                      const GraphStep& step) {
  auto& graph = context.graph();
  const std::string up_name = network_part(prefix, "_up", suffix);
  const std::string gate_name = network_part(prefix, "_gate", suffix);
  const LinearExtras extras{!step.has("unscaled"), !step.has("unbiased"), true};
  if (!context.has(up_name) && step.has("may_be_empty")) return activate_ungated(context, x, step);
  const TensorId up = graph.with_role(linear(context, up_name, x, extras), Role::ffn_up);
  TensorId hidden = up;
  if (context.has(gate_name)) {
    const TensorId gate = graph.with_role(linear(context, gate_name, x, extras), Role::ffn_gate);
    if (step.value("activation") == "situ")
      hidden = situ_gate(context, gate, up);
    else
      hidden = !step.has("limit_inside") && is_gate_limited(context, "swiglu_clamp_shexp")
                   ? limited_gate(graph, gate, up)
                   : graph.gated(gate, up);
  } else {
    hidden = activate_ungated(context, up, step);
  }
  graph.with_role(hidden, Role::ffn_gated);
  const std::string down_name = network_part(prefix, "_down", suffix);
  return graph.with_role(linear(context, down_name, hidden, extras), Role::ffn_down);
}

namespace {

void build_feed_forward(GraphContext& context, const GraphStep& step) {
  if (context.has("ffn_gate_inp") && !step.has("always") && !step.has("may_be_empty")) return;
  context.set_current(feed_forward(context, context.current(), "ffn", step.value("suffix"), step));
}

constexpr std::string_view feed_forward_flags[] = {"activation=", "always",  "unscaled",
                                                   "unbiased",    "suffix=", "may_be_empty"};
constexpr GraphBlock blocks[] = {{"ffn", build_feed_forward, feed_forward_flags, 0}};

}  // namespace

std::span<const GraphBlock> feed_forward_blocks() {
  return blocks;
}

}  // namespace llmsize
