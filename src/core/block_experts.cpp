// Feed-forward networks of routed experts.
#include <fmt/format.h>

#include "llmsize/core/graph_blocks.hpp"

namespace llmsize {
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

/// Smaller experts that several large ones share (GroveMoE): their numbers are the large ones' divided.
TensorId ids_of_shared_experts(GraphContext& context, TensorId ids) {
  auto& graph = context.graph();
  if (context.hyperparameters().integer("experts_per_group").value_or(1) <= 1) return ids;
  const TensorId numbers = graph.scale(graph.cast(ids, tensor_type::f32));
  return graph.cast(numbers, tensor_type::i32);
}

Routing route(GraphContext& context, TensorId x, TensorId logits, const GraphStep& step,
              bool shared_experts) {
  auto& graph = context.graph();
  const auto& hyper = context.hyperparameters();
  const std::int64_t used = hyper.experts_used();
  const Gating gating = gating_of(context, step);
  TensorId probabilities = logits;
  if (gating == Gating::softmax) probabilities = graph.soft_max(logits);
  if (gating == Gating::sigmoid) probabilities = graph.unary(logits);
  if (gating == Gating::sqrt_softplus) probabilities = graph.sqrt(graph.unary(logits));
  TensorId selection = probabilities;
  TensorId selection_bias = context.find("exp_probs_b", ".bias");
  if (selection_bias == no_tensor) selection_bias = context.find("exp_probs_b", "");
  if (selection_bias != no_tensor) selection = graph.add(selection, selection_bias);
  if (step.has("select_by_logits")) selection = logits;
  if (step.has("select_by_sigmoid")) selection = graph.unary(logits);
  const std::int64_t groups = hyper.integer("expert_group_count").value_or(1);
  if (groups > 1) selection = mask_groups(context, selection, groups);
  // The first layers of DeepSeek-V4 look their experts up by the token itself.
  const TensorId by_token = context.find("ffn_gate_tid2eid");
  TensorId chosen = by_token == no_tensor
                        ? graph.argsort_top_k(selection, used)
                        : graph.get_rows(by_token, context.input_once("inp_tokens", tensor_type::i32,
                                                                      {context.tokens(), 1, 1, 1}));
  if (shared_experts) chosen = ids_of_shared_experts(context, chosen);
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

/// The names of one set of experts.
struct ExpertNames {
  std::string_view up, gate, gate_and_up, down;
};
constexpr ExpertNames usual_experts{"ffn_up_exps", "ffn_gate_exps", "ffn_gate_up_exps", "ffn_down_exps"};
constexpr ExpertNames chunk_experts{"ffn_up_chexps", "ffn_gate_chexps", "ffn_gate_up_chexps",
                                    "ffn_down_chexps"};

TensorId activate_experts(GraphContext& context, TensorId x, TensorId ids, const ExpertNames& names,
                          const GraphStep& step) {
  auto& graph = context.graph();
  if (context.has(names.gate_and_up)) {
    const TensorId both = expert_linear(context, names.gate_and_up, x, ids, step);
    const auto d = graph.at(both).dimensions;
    const auto half = [&] {
      return graph.view_3d(both, d[0] / 2, d[1], d[2], graph.stride(both, 1), graph.stride(both, 2));
    };
    const TensorId gate = half();
    return graph.gated(gate, half());
  }
  const TensorId up = graph.with_role(expert_linear(context, names.up, x, ids, step), Role::ffn_up);
  if (!context.has(names.gate)) return activate_ungated(context, up, step);
  const TensorId gate = graph.with_role(expert_linear(context, names.gate, x, ids, step), Role::ffn_gate);
  if (step.value("activation") == "situ") return situ_gate(context, gate, up);
  if (!step.has("limit_inside") && is_gate_limited(context, "swiglu_clamp_exp"))
    return limited_gate(graph, gate, up);
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

TensorId experts_by_routing(GraphContext& context, TensorId x, TensorId logits, const ExpertNames& names,
                            const GraphStep& step) {
  auto& graph = context.graph();
  const std::int64_t used = context.hyperparameters().experts_used();
  const bool shared_experts = names.down == chunk_experts.down;
  const auto [ids, weights] = route(context, x, logits, step, shared_experts);
  const std::int64_t width = graph.dimension(x, 0), tokens = graph.dimension(x, 1);
  TensorId inputs = graph.reshape(x, {width, 1, tokens, 1});
  const bool weights_first = step.has("weights_before");
  if (weights_first) inputs = graph.mul(graph.repeat(inputs, {width, used, tokens, 1}), weights);
  const TensorId hidden =
      graph.with_role(activate_experts(context, inputs, ids, names, step), Role::ffn_gated);
  TensorId experts = graph.with_role(expert_linear(context, names.down, hidden, ids, step), Role::ffn_down);
  if (!weights_first) experts = graph.mul(experts, weights);
  graph.expand(experts);
  return sum_experts(graph, experts, used);
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
  const TensorId logits = router_logits(context, x, step);
  const TensorId result = experts_by_routing(context, x, logits, usual_experts, step);
  if (!step.has("chunk_experts")) return result;
  const TensorId adjusted = experts_by_routing(context, result, logits, chunk_experts, step);
  return graph.add(result, graph.scale(adjusted));
}

namespace {

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

constexpr std::string_view expert_flags[] = {
    "gating=",           "gating_default=", "activation=",      "normalize",     "normalize_if_set",
    "weights_scale",     "weights_before",  "select_by_logits", "router_input=", "shared",
    "shared_gate=",      "unscaled",        "unbiased",         "limit_inside",  "rows_of_logits",
    "select_by_sigmoid", "chunk_experts"};
constexpr GraphBlock blocks[] = {{"moe", build_experts, expert_flags, 0}};

}  // namespace

std::span<const GraphBlock> expert_blocks() {
  return blocks;
}

}  // namespace llmsize
