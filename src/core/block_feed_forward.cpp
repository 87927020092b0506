// Feed-forward networks: gated or plain, dense or with routed experts.
#include <fmt/format.h>

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

/// The activation between up and down projections where nothing gates.
TensorId activate(GraphContext& context, TensorId x, const GraphStep& step) {
  auto& graph = context.graph();
  const auto activation = step.value("activation", "silu");
  if (activation == "swiglu" || activation == "geglu") return graph.gated_halves(x);
  TensorId activated = graph.unary(x);
  if (const TensorId scales = context.find("ffn.act.scales", ""); scales != no_tensor)
    activated = graph.div(activated, scales);  // MPT's AWQ files.
  return activation == "relu_sqr" ? graph.sqr(activated) : activated;
}

TensorId clamped_gate(GraphBuilder& graph, TensorId gate, TensorId up) {
  const TensorId limited = graph.clamp(up);
  return graph.mul(graph.clamp(graph.unary(gate)), limited);
}

bool is_limited(const GraphContext& context, std::string_view key) {
  const auto& hyper = context.hyperparameters();
  const auto found = hyper.all().find(key);
  if (found == hyper.all().end()) return false;
  const auto* limits = std::get_if<std::vector<double>>(&found->second);
  const auto layer = static_cast<std::size_t>(context.layer());
  constexpr double smallest_limit = 1e-6;  // The engine's epsilon for "no limit".
  if (limits != nullptr) return layer < limits->size() && (*limits)[layer] > smallest_limit;
  return hyper.number(key).value_or(0) > smallest_limit;
}

}  // namespace

TensorId feed_forward(GraphContext& context, TensorId x, std::string_view prefix, std::string_view suffix,
                      const GraphStep& step) {
  auto& graph = context.graph();
  const std::string up_name = network_part(prefix, "_up", suffix);
  const std::string gate_name = network_part(prefix, "_gate", suffix);
  const LinearExtras extras{!step.has("unscaled"), !step.has("unbiased"), true};
  if (!context.has(up_name) && step.has("may_be_empty")) return activate(context, x, step);
  const TensorId up = graph.with_role(linear(context, up_name, x, extras), Role::ffn_up);
  TensorId hidden = up;
  if (context.has(gate_name)) {
    const TensorId gate = graph.with_role(linear(context, gate_name, x, extras), Role::ffn_gate);
    hidden =
        is_limited(context, "swiglu_clamp_shexp") ? clamped_gate(graph, gate, up) : graph.gated(gate, up);
  } else {
    hidden = activate(context, up, step);
  }
  graph.with_role(hidden, Role::ffn_gated);
  const std::string down_name = network_part(prefix, "_down", suffix);
  return graph.with_role(linear(context, down_name, hidden, extras), Role::ffn_down);
}

namespace {

/// x times the chosen experts' matrices, times their scales.
TensorId expert_linear(GraphContext& context, std::string_view name, TensorId x, TensorId ids,
                       const GraphStep& step) {
  auto& graph = context.graph();
  TensorId result = graph.mul_mat_id(context.weight(name), x, ids);
  const TensorId scale = step.has("unscaled") ? no_tensor : context.find(name, ".scale");
  if (scale != no_tensor) {
    const std::int64_t experts = graph.dimension(scale, 0);
    TensorId factors = graph.reshape(scale, {1, experts, 1, 1});
    factors = graph.get_rows(graph.repeat(factors, {1, experts, graph.dimension(x, 2), 1}), ids);
    result = graph.mul(result, factors);
  }
  if (const TensorId bias = context.find(name, ".bias"); bias != no_tensor)
    result = graph.add_id(result, bias, ids);
  return result;
}

enum class Gating { softmax, sigmoid, softmax_weight, sqrt_softplus };

Gating gating_of(const GraphContext& context, const GraphStep& step) {
  const auto named = step.value("gating", "softmax");
  if (named == "sigmoid") return Gating::sigmoid;
  if (named == "softmax_weight") return Gating::softmax_weight;
  if (named != "model") return Gating::softmax;
  // Numbers as in GGUF's expert_gating_func; architectures name what an absent key means.
  const auto otherwise = step.value("gating_default", "softmax") == "sigmoid" ? 2 : 1;
  const auto number = context.hyperparameters().integer("expert_gating_func").value_or(otherwise);
  if (number == 2) return Gating::sigmoid;
  if (number == 3) return Gating::softmax_weight;
  return number == 4 ? Gating::sqrt_softplus : Gating::softmax;
}

/// Leaves only the experts of the best groups eligible (DeepSeek-V3).
TensorId mask_groups(GraphContext& context, TensorId probabilities, std::int64_t groups) {
  auto& graph = context.graph();
  const std::int64_t experts = graph.dimension(probabilities, 0);
  const std::int64_t tokens = graph.dimension(probabilities, 1);
  const std::int64_t used = context.hyperparameters().integer("expert_group_used_count").value_or(1);
  const TensorId grouped = graph.reshape(probabilities, {experts / groups, groups, tokens, 1});
  TensorId best = graph.argsort_top_k(grouped, 2);
  best = graph.get_rows(graph.reshape(grouped, {1, experts / groups, groups, tokens}), best);
  const auto d = graph.at(best).dimensions;
  const TensorId sums = graph.sum_rows(graph.reshape(best, {d[1], d[2], d[3], 1}));
  const TensorId scores = graph.reshape(sums, {graph.dimension(sums, 1), graph.dimension(sums, 2), 1, 1});
  const TensorId chosen = graph.argsort_top_k(scores, used);
  const TensorId kept = graph.get_rows(grouped, chosen);
  return graph.reshape(graph.set_rows(graph.fill(grouped), kept, chosen), {experts, tokens, 1, 1});
}

struct Routing {
  TensorId experts;  ///< Which, [used, tokens].
  TensorId weights;  ///< How much, [1, used, tokens].
};

bool normalizes_weights(const GraphContext& context, const GraphStep& step) {
  if (step.has("normalize")) return true;
  return step.has("normalize_if_set") && context.hyperparameters().flag("expert_weights_norm");
}

TensorId router_logits(GraphContext& context, TensorId x, const GraphStep& step) {
  auto& graph = context.graph();
  const TensorId router_input =
      step.value("router_input").empty() ? x : context.saved(step.value("router_input"));
  TensorId logits = graph.mul_mat(context.weight("ffn_gate_inp"), router_input);
  if (const TensorId bias = context.find("ffn_gate_inp", ".bias"); bias != no_tensor)
    logits = graph.add(logits, bias);
  if (step.has("rows_of_logits") && context.in_last_layer())
    logits = graph.get_rows(logits, context.output_ids());
  return logits;
}

Routing route(GraphContext& context, TensorId x, const GraphStep& step) {
  auto& graph = context.graph();
  const auto& hyper = context.hyperparameters();
  const std::int64_t used = hyper.experts_used();
  const Gating gating = gating_of(context, step);
  const TensorId logits = router_logits(context, x, step);
  TensorId probabilities = logits;
  if (gating == Gating::softmax) probabilities = graph.soft_max(logits);
  if (gating == Gating::sigmoid) probabilities = graph.unary(logits);
  if (gating == Gating::sqrt_softplus) probabilities = graph.sqrt(graph.unary(logits));
  TensorId selection = probabilities;
  TensorId selection_bias = context.find("exp_probs_b", ".bias");
  if (selection_bias == no_tensor) selection_bias = context.find("exp_probs_b", "");
  if (selection_bias != no_tensor) selection = graph.add(selection, selection_bias);
  if (step.has("select_by_logits")) selection = logits;
  const std::int64_t groups = hyper.integer("expert_group_count").value_or(1);
  if (groups > 1) selection = mask_groups(context, selection, groups);
  const TensorId chosen = graph.argsort_top_k(selection, used);
  const std::int64_t tokens = graph.dimension(x, 1);
  TensorId weights =
      graph.get_rows(graph.reshape(probabilities, {1, graph.dimension(probabilities, 0), tokens, 1}), chosen);
  const Dimensions flat{used, tokens, 1, 1}, per_expert{1, used, tokens, 1};
  if (gating == Gating::softmax_weight)
    weights = graph.reshape(graph.soft_max(graph.reshape(weights, flat)), per_expert);
  if (normalizes_weights(context, step)) {
    weights = graph.reshape(weights, flat);
    weights = graph.div(weights, graph.clamp(graph.sum_rows(weights)));
    weights = graph.reshape(weights, per_expert);
  }
  const double factor = step.has("weights_scale") ? hyper.number("expert_weights_scale").value_or(0) : 0;
  if (factor != 0 && factor != 1) weights = graph.scale(weights);
  graph.expand(weights);
  return {chosen, weights};
}

TensorId activate_experts(GraphContext& context, TensorId x, TensorId ids, const GraphStep& step) {
  auto& graph = context.graph();
  if (context.has("ffn_gate_up_exps")) {
    const TensorId both = expert_linear(context, "ffn_gate_up_exps", x, ids, step);
    const auto d = graph.at(both).dimensions;
    const auto half = [&] {
      return graph.view_3d(both, d[0] / 2, d[1], d[2], graph.stride(both, 1), graph.stride(both, 2));
    };
    const TensorId gate = half();
    return graph.gated(gate, half());
  }
  const TensorId up = graph.with_role(expert_linear(context, "ffn_up_exps", x, ids, step), Role::ffn_up);
  if (!context.has("ffn_gate_exps")) return activate(context, up, step);
  const TensorId gate =
      graph.with_role(expert_linear(context, "ffn_gate_exps", x, ids, step), Role::ffn_gate);
  if (!step.has("limit_inside") && is_limited(context, "swiglu_clamp_exp"))
    return clamped_gate(graph, gate, up);
  return graph.gated(gate, up);
}

/// The sum over the chosen experts, each seen as a slice.
TensorId sum_experts(GraphBuilder& graph, TensorId experts, std::int64_t used) {
  const std::int64_t width = graph.dimension(experts, 0), tokens = graph.dimension(experts, 2);
  std::vector<TensorId> slices;
  for (std::int64_t i = 0; i < used; ++i) {
    slices.push_back(graph.view_2d(experts, width, tokens, graph.stride(experts, 2)));
    graph.expand(slices.back());
  }
  TensorId sum = slices.front();
  for (std::size_t i = 1; i < slices.size(); ++i) {
    sum = graph.add(sum, slices[i]);
    graph.expand(sum);
  }
  return used == 1 ? graph.cont(sum) : sum;
}

}  // namespace

TensorId routed_experts(GraphContext& context, TensorId x, const GraphStep& step) {
  auto& graph = context.graph();
  const std::int64_t used = context.hyperparameters().experts_used();
  if (used <= 0 || used > context.hyperparameters().expert_count()) {
    graph.refuse(ErrorCode::malformed,
                 fmt::format("{} of {} experts are used", used, context.hyperparameters().expert_count()));
    return x;
  }
  const auto [ids, weights] = route(context, x, step);
  const std::int64_t width = graph.dimension(x, 0), tokens = graph.dimension(x, 1);
  TensorId inputs = graph.reshape(x, {width, 1, tokens, 1});
  const bool weights_first = step.has("weights_before");
  if (weights_first) inputs = graph.mul(graph.repeat(inputs, {width, used, tokens, 1}), weights);
  const TensorId hidden = graph.with_role(activate_experts(context, inputs, ids, step), Role::ffn_gated);
  TensorId experts =
      graph.with_role(expert_linear(context, "ffn_down_exps", hidden, ids, step), Role::ffn_down);
  if (!weights_first) experts = graph.mul(experts, weights);
  graph.expand(experts);
  return sum_experts(graph, experts, used);
}

namespace {

void build_feed_forward(GraphContext& context, const GraphStep& step) {
  if (context.has("ffn_gate_inp") && !step.has("always") && !step.has("may_be_empty")) return;
  context.set_current(feed_forward(context, context.current(), "ffn", "", step));
}

void build_experts(GraphContext& context, const GraphStep& step) {
  if (!context.has("ffn_gate_inp")) return;
  auto& graph = context.graph();
  const TensorId x = context.current();
  TensorId result = routed_experts(context, x, step);
  if (step.has("shared") && context.has("ffn_up_shexp")) {
    TensorId shared = feed_forward(context, x, "ffn", "_shexp", step);
    if (const auto kind = step.value("shared_gate"); !kind.empty()) {
      const TensorId gate = graph.mul_mat(context.weight("ffn_gate_inp_shexp"), x);
      // Qwen2-MoE spells the sigmoid as silu(x) / x.
      const TensorId opened = graph.unary(gate);
      shared = graph.mul(shared, kind == "silu_ratio" ? graph.div(opened, gate) : opened);
    }
    result = graph.add(result, shared);
  }
  context.set_current(result);
}

constexpr std::string_view feed_forward_flags[] = {"activation=", "always", "unscaled", "unbiased",
                                                   "may_be_empty"};
constexpr std::string_view expert_flags[] = {
    "gating=",       "gating_default=", "activation=",      "normalize",     "normalize_if_set",
    "weights_scale", "weights_before",  "select_by_logits", "router_input=", "shared",
    "shared_gate=",  "unscaled",        "unbiased",         "limit_inside",  "rows_of_logits"};
constexpr GraphBlock blocks[] = {
    {"ffn", build_feed_forward, feed_forward_flags, 0},
    {"moe", build_experts, expert_flags, 0},
};

}  // namespace

std::span<const GraphBlock> feed_forward_blocks() {
  return blocks;
}

}  // namespace llmsize
