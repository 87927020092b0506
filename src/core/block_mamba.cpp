// State-space layers: Mamba's selective scan with its convolution, in the first and the second form.
#include <algorithm>

#include "llmsize/core/graph_blocks.hpp"
#include "llmsize/core/recurrent_memory.hpp"

namespace llmsize {
namespace {

/// Sizes of a state-space layer, from the "ssm" hyperparameters.
struct StateSpace {
  std::int64_t convolution = 0;  ///< Taps of the convolution.
  std::int64_t inner = 0;        ///< Channels.
  std::int64_t state = 0;        ///< State per channel.
  std::int64_t step_rank = 0;    ///< Rank of the step size; the heads of the second form.
  std::int64_t groups = 1;
};

StateSpace state_space(GraphContext& context) {
  const auto& h = context.hyperparameters();
  const StateSpace sizes{h.integer("ssm.conv_kernel").value_or(0), h.integer("ssm.inner_size").value_or(0),
                         h.integer("ssm.state_size").value_or(0), h.integer("ssm.time_step_rank").value_or(0),
                         h.integer("ssm.group_count").value_or(1)};
  // Far above any model, and low enough that products of them stay within 64 bits.
  constexpr std::int64_t most = std::int64_t{1} << 24;
  const auto possible = [](std::int64_t size) { return size > 0 && size <= most; };
  if (possible(sizes.convolution) && possible(sizes.inner) && possible(sizes.state) &&
      possible(sizes.step_rank) && sizes.groups <= most && sizes.groups >= 0 &&
      sizes.inner % sizes.step_rank == 0)
    return sizes;
  context.graph().refuse(ErrorCode::malformed, "the \"ssm\" sizes are missing or contradict each other",
                         "The header must state ssm.conv_kernel, inner_size, state_size and time_step_rank.");
  return {2, 1, 1, 1, 1};
}

/// The convolution's result: [channels, tokens per sequence, sequences].
TensorId convolve(GraphContext& context, RecurrentMemory& memory, TensorId window, TensorId x) {
  auto& graph = context.graph();
  const auto shape = graph.at(x).dimensions;
  const TensorId input = convolution_input(context, memory, window, x);
  TensorId result =
      graph.node(Operation::ssm_conv, tensor_type::f32, shape, {input, context.weight("ssm_conv1d")});
  if (const TensorId bias = context.find("ssm_conv1d", ".bias"); bias != no_tensor)
    result = graph.add(result, bias);
  return graph.unary(result);
}

TensorId load_window(GraphContext& context, RecurrentMemory& memory, const StateSpace& sizes,
                     std::int64_t channels) {
  const TensorId rows = memory.load();
  return context.graph().reshape(rows,
                                 {sizes.convolution - 1, channels, sequence_layout(context).sequences, 1});
}

/// Operands of the scan, beside the state.
struct Scan {
  TensorId x, step, b, c;
  TensorId rate = no_tensor;   ///< Of the decay; the layer's "ssm_a" unless set.
  bool states_by_row = false;  ///< The engine sees new states as one row per sequence, else as one in all.
};

/// Runs the scan over the layer's state and stores the new state; the result's first part is y.
TensorId scan(GraphContext& context, const Scan& operands, const StateSpace& sizes, std::int64_t head_length,
              std::int64_t heads) {
  auto& graph = context.graph();
  RecurrentMemory memory(context, RecurrentMemory::Part::state);
  const TensorId all = memory.clear_started();
  const std::int64_t cells = graph.dimension(all, 1);
  const TensorId states = graph.reshape(all, {sizes.state, head_length, heads, cells});
  const std::int64_t new_states = saturating_multiply(memory.width(), sequence_layout(context).sequences);
  const TensorId scanned =
      graph.node(Operation::ssm_scan, tensor_type::f32, {graph.elements(operands.x) + new_states, 1, 1, 1},
                 {states, operands.x, operands.step,
                  operands.rate == no_tensor ? context.weight("ssm_a", "") : operands.rate, operands.b,
                  operands.c, memory.own_rows()});
  graph.expand(scanned);
  memory.keep_others();
  const std::int64_t rows = operands.states_by_row ? sequence_layout(context).sequences : 1;
  const std::int64_t row = new_states / rows;
  memory.store(graph.view_2d(scanned, row, rows, saturating_multiply(row, graph.stride(scanned, 0))));
  return scanned;
}

TensorId normalized_if_present(GraphContext& context, std::string_view name, TensorId x) {
  return context.has(name) ? normalize(context, name, x) : x;
}

/// Splits the low-rank projection of x into step size, B and C, with the normalizations that some models add.
Scan project_selection(GraphContext& context, TensorId x, const StateSpace& sizes, bool normalizes) {
  auto& graph = context.graph();
  const SequenceLayout batch = sequence_layout(context);
  const std::int64_t sequences = batch.sequences;
  const std::int64_t tokens = batch.tokens_per_sequence;
  const TensorId projected = linear(context, "ssm_x", x);
  const std::int64_t row = graph.stride(projected, 1);
  const std::int64_t sequence = graph.stride(projected, 2);
  TensorId step = graph.view_3d(projected, sizes.step_rank, tokens, sequences, row, sequence);
  const std::int64_t element = graph.stride(projected, 0);
  const auto part = [&] {
    return graph.view(projected, {sizes.state, 1, tokens, sequences}, {sizes.state * element, row, sequence});
  };
  TensorId b = part();
  TensorId c = part();
  if (normalizes) {
    step = normalized_if_present(context, "ssm_dt_norm", step);
    b = normalized_if_present(context, "ssm_b_norm", b);
    c = normalized_if_present(context, "ssm_c_norm", c);
  }
  if (!graph.is_contiguous(step)) step = graph.cont(step);
  return {x, linear(context, "ssm_dt", step), b, c};
}

void build_mamba(GraphContext& context, const GraphStep&) {
  auto& graph = context.graph();
  const StateSpace sizes = state_space(context);
  const SequenceLayout batch = sequence_layout(context);
  const std::int64_t sequences = batch.sequences;
  const std::int64_t tokens = batch.tokens_per_sequence;
  RecurrentMemory memory(context, RecurrentMemory::Part::shift);
  const TensorId window = load_window(context, memory, sizes, sizes.inner);
  const std::int64_t width = graph.dimension(context.current(), 0);
  const TensorId in =
      linear(context, "ssm_in", graph.reshape(context.current(), {width, tokens, sequences, 1}));
  const auto half = [&] {
    return graph.view_3d(in, sizes.inner, tokens, sequences, graph.stride(in, 1), graph.stride(in, 2));
  };
  const TensorId z = half();
  const TensorId x = convolve(context, memory, window, half());
  Scan operands = project_selection(context, x, sizes, true);
  operands.x = graph.reshape(x, {1, sizes.inner, tokens, sequences});
  const TensorId scanned = scan(context, operands, sizes, 1, sizes.inner);
  const std::int64_t row = saturating_multiply(sizes.inner, graph.stride(scanned, 0));
  TensorId y = graph.view_3d(scanned, sizes.inner, tokens, sequences, row, saturating_multiply(row, tokens));
  y = graph.add(y, graph.mul(x, context.weight("ssm_d", "")));
  y = graph.gated(graph.cont(z), y);
  const TensorId out = linear(context, "ssm_out", y);
  context.set_current(graph.reshape(out, {graph.dimension(out, 0), context.tokens(), 1, 1}));
}

void build_mamba2(GraphContext& context, const GraphStep&) {
  auto& graph = context.graph();
  const StateSpace sizes = state_space(context);
  const SequenceLayout batch = sequence_layout(context);
  const std::int64_t sequences = batch.sequences;
  const std::int64_t tokens = batch.tokens_per_sequence;
  const std::int64_t heads = sizes.step_rank;
  const std::int64_t head_length = sizes.inner / heads;
  const std::int64_t channels = sizes.inner + 2 * sizes.groups * sizes.state;
  RecurrentMemory memory(context, RecurrentMemory::Part::shift);
  const TensorId window = load_window(context, memory, sizes, channels);
  TensorId in = linear(context, "ssm_in", context.current());
  in = graph.reshape(in, {graph.dimension(in, 0), tokens, sequences, 1});
  const std::int64_t element = graph.stride(in, 0);
  const auto split_heads = [&](TensorId from, std::int64_t length, std::int64_t count) {
    return graph.view(from, {length, count, tokens, sequences},
                      {length * element, graph.stride(from, 1), graph.stride(from, 2)});
  };
  const TensorId z = split_heads(in, head_length, heads);
  const TensorId mixed =
      convolve(context, memory, window,
               graph.view_3d(in, channels, tokens, sequences, graph.stride(in, 1), graph.stride(in, 2)));
  const TensorId x = split_heads(mixed, head_length, heads);
  const TensorId b = split_heads(mixed, sizes.state, sizes.groups);
  const TensorId c = split_heads(mixed, sizes.state, sizes.groups);
  const TensorId raw_step =
      graph.view_3d(in, heads, tokens, sequences, graph.stride(in, 1), graph.stride(in, 2));
  const TensorId step = graph.add(graph.cont(raw_step), context.weight("ssm_dt", ".bias"));
  const TensorId scanned = scan(context, {x, step, b, c, no_tensor, true}, sizes, head_length, heads);
  TensorId y = graph.view(scanned, {head_length, heads, tokens, sequences},
                          {head_length * element, sizes.inner * element, sizes.inner * tokens * element});
  y = graph.add(y, graph.mul(x, context.weight("ssm_d", "")));
  y = graph.gated(graph.cont(z), y);
  if (context.has("ssm_norm")) {
    y = graph.reshape(y, {sizes.inner / sizes.groups, sizes.groups, tokens, sequences});
    y = normalize(context, "ssm_norm", y);
  }
  y = graph.reshape(y, {sizes.inner, context.tokens(), 1, 1});
  context.set_current(linear(context, "ssm_out", y));
}

/// PLaMo 2's step size, B and C: one projection of the convolved channels, each part normalized.
Scan project_plamo_selection(GraphContext& context, TensorId convolved, const StateSpace& sizes) {
  auto& graph = context.graph();
  const SequenceLayout batch = sequence_layout(context);
  const std::int64_t sequences = batch.sequences;
  const std::int64_t tokens = batch.tokens_per_sequence;
  const TensorId projected = linear(context, "ssm_x", convolved, {false, false, false});
  const auto part = [&](std::int64_t width, std::string_view norm) {
    return normalize(context, norm,
                     graph.view_3d(projected, width, tokens, sequences, graph.stride(projected, 1),
                                   graph.stride(projected, 2)));
  };
  const auto state_part = [&](std::string_view norm) {
    const TensorId x = part(sizes.state, norm);
    return graph.view(x, {sizes.state, 1, tokens, sequences},
                      {graph.stride(x, 1), graph.stride(x, 1), graph.stride(x, 2)});
  };
  Scan operands{};
  const TensorId step = part(graph.dimension(context.weight("ssm_dt"), 0), "ssm_dt_norm");
  operands.step = linear(context, "ssm_dt", step, {false, true, false});
  operands.rate = graph.reshape(context.weight("ssm_a", ""), {1, sizes.step_rank, 1, 1});
  operands.b = state_part("ssm_b_norm");
  operands.c = state_part("ssm_c_norm");
  return operands;
}

/// PLaMo 2: gate and channels alternate head by head in the projection.
void build_plamo_mamba(GraphContext& context, const GraphStep&) {
  auto& graph = context.graph();
  const StateSpace sizes = state_space(context);
  const SequenceLayout batch = sequence_layout(context);
  const std::int64_t sequences = batch.sequences;
  const std::int64_t tokens = batch.tokens_per_sequence;
  const std::int64_t heads = sizes.step_rank;
  const std::int64_t length = sizes.inner / heads;
  RecurrentMemory memory(context, RecurrentMemory::Part::shift);
  const TensorId window =
      load_window(context, memory, sizes, memory.width() / std::max<std::int64_t>(1, sizes.convolution - 1));
  const std::int64_t width = graph.dimension(context.current(), 0);
  TensorId in = linear(context, "ssm_in", graph.reshape(context.current(), {width, tokens, sequences, 1}),
                       {false, false, false});
  in = graph.cont(graph.permute(in, {0, 2, 1, 3}), {2 * length, heads, tokens, sequences});
  const auto half = [&] {
    return graph.view(in, {length, heads, tokens, sequences},
                      {graph.stride(in, 1), graph.stride(in, 2), graph.stride(in, 3)});
  };
  const TensorId channels = graph.cont(half(), {sizes.inner, tokens, sequences, 1});
  const TensorId convolved = convolve(context, memory, window, channels);
  const std::int64_t element = graph.stride(convolved, 0);
  const TensorId x = graph.view(convolved, {length, heads, tokens, sequences},
                                {length * element, graph.stride(convolved, 1), graph.stride(convolved, 2)});
  Scan operands = project_plamo_selection(context, convolved, sizes);
  operands.x = x;
  const TensorId scanned = scan(context, operands, sizes, length, heads);
  const TensorId z = graph.cont(half());
  TensorId y = graph.view(scanned, {length, heads, tokens, sequences},
                          {length * element, sizes.inner * element, sizes.inner * tokens * element});
  y = graph.add(y, graph.mul(x, graph.reshape(context.weight("ssm_d", ""), {1, heads, 1, 1})));
  y = graph.gated(z, y);
  y = graph.view_3d(y, sizes.inner, tokens, sequences, graph.stride(y, 2), graph.stride(y, 3));
  const TensorId out = linear(context, "ssm_out", y, {false, false, false});
  context.set_current(graph.reshape(out, {graph.dimension(out, 0), context.tokens(), 1, 1}));
}

constexpr GraphBlock blocks[] = {
    {"plamo_mamba", build_plamo_mamba, {}, 0},
    {"mamba", build_mamba, {}, 0},
    {"mamba2", build_mamba2, {}, 0},
};

}  // namespace

std::span<const GraphBlock> mamba_blocks() {
  return blocks;
}

}  // namespace llmsize
