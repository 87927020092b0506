// Qwen4-exp's hyper-connections: a residual of several streams, of which a low-rank gate makes each part's
// input, and n-gram embeddings that some layers mix into all streams.
#include <algorithm>

#include "llmsize/core/graph_blocks.hpp"
#include "llmsize/core/recurrent_memory.hpp"

namespace llmsize {
namespace {

constexpr LinearExtras bare{false, false, false};
constexpr std::string_view streams_name = "wide_residual";  // [width, count, tokens].
constexpr std::string_view normed_name = "wide_normed";     // [width * count, tokens].
constexpr std::string_view ngrams_name = "ngram_embeddings";

/// Weights outside the layers begin with "output_", those of a layer's part with "hc_attn" or "hc_ffn".
std::string part_name(std::string_view part, std::string_view what) {
  std::string name = part.empty() ? std::string("output_hc") : "hc_" + std::string(part);
  name += what;
  return name;
}

TensorId by_stream(GraphBuilder& graph, TensorId flat, const Dimensions& streams) {
  return graph.reshape(flat, {streams[0], streams[1], graph.dimension(flat, 1), 1});
}

/// Normalizes the streams and keeps them in one row per token; gives the gates made from those rows.
TensorId norm_and_gates(GraphContext& context, std::string_view part) {
  auto& graph = context.graph();
  const TensorId streams = context.saved(streams_name);
  const auto d = graph.at(streams).dimensions;
  const TensorId normed = normalize(context, part_name(part, "_norm"), streams);
  const TensorId flat = graph.reshape(normed, {d[0] * d[1], d[2], 1, 1});
  context.save(normed_name, flat);
  const TensorId low = graph.unary(graph.scale(linear(context, part_name(part, "_down"), flat, bare)));
  return linear(context, part_name(part, "_up"), low, bare);
}

std::int64_t stream_count(GraphContext& context) {
  const std::int64_t count = context.hyperparameters().integer("hyper_connection.count").value_or(0);
  // The engine knows four; a file that wants very many would only cost time.
  constexpr std::int64_t most_streams = 64;
  if (count > 0 && count <= most_streams) return count;
  context.graph().refuse(ErrorCode::malformed, "hyper_connection.count is not between 1 and 64");
  return 1;
}

/// Looks the n-grams up that end at each token, and starts the wide residual as copies of the embedding.
void build_start(GraphContext& context, const GraphStep&) {
  auto& graph = context.graph();
  const std::int64_t tokens = context.tokens();
  const auto* heads = context.hyperparameters().list("ple.head_vocab_sizes");
  if (heads != nullptr && !heads->empty()) {
    const auto count = static_cast<std::int64_t>(heads->size());
    const TensorId ids = context.input_once("ngram_ids", tensor_type::i32, {count * tokens, 1, 1, 1});
    const TensorId rows = graph.get_rows(context.global_weight("per_layer_token_embd"), ids);
    const TensorId all = graph.reshape(rows, {graph.dimension(rows, 0) * count, tokens, 1, 1});
    graph.expand(all);
    context.save(ngrams_name, all);
  }
  const TensorId x = context.current();
  const std::int64_t width = graph.dimension(x, 0);
  context.save(streams_name, graph.repeat(graph.reshape(x, {width, 1, tokens, 1}),
                                          {width, stream_count(context), tokens, 1}));
}

/// How much each stream takes of the n-grams: the sigmoid of a signed root.
TensorId ngram_gate(GraphContext& context, TensorId ngrams) {
  auto& graph = context.graph();
  const TensorId streams = context.saved(streams_name);
  const auto d = graph.at(streams).dimensions;
  const TensorId key =
      normalize(context, "ple_norm_key", by_stream(graph, linear(context, "ple_key", ngrams, bare), d));
  const TensorId query = normalize(context, "ple_norm_query", graph.reshape(streams, d));
  const TensorId match = graph.scale(graph.sum_rows(graph.mul(key, query)));
  const TensorId sign = graph.unary(match);
  const TensorId root = graph.sqrt(graph.clamp(graph.unary(match)));
  return graph.unary(graph.mul(sign, root));
}

/// A dilated convolution over earlier tokens, tap by tap: [width * count, tokens per sequence, sequences].
TensorId convolve_ngrams(GraphContext& context, TensorId joined, TensorId weight) {
  auto& graph = context.graph();
  const SequenceLayout batch = sequence_layout(context);
  const std::int64_t channels = graph.dimension(weight, 1);
  TensorId sum = no_tensor;
  for (std::int64_t tap = 0; tap < graph.dimension(weight, 0); ++tap) {
    const TensorId seen = graph.view_3d(joined, batch.tokens_per_sequence, channels, batch.sequences,
                                        graph.stride(joined, 1), graph.stride(joined, 2));
    const TensorId shifted = graph.cont(graph.transpose(seen));
    const TensorId one = graph.cont(graph.view_2d(weight, 1, channels, graph.stride(weight, 1)));
    const TensorId term = graph.mul(shifted, graph.reshape(one, {channels, 1, 1, 1}));
    sum = sum == no_tensor ? term : graph.add(sum, term);
  }
  return sum;
}

void build_ngrams(GraphContext& context, const GraphStep&) {
  if (!context.has("ple_value") || !context.has_saved(ngrams_name)) return;
  auto& graph = context.graph();
  const SequenceLayout batch = sequence_layout(context);
  const TensorId streams = context.saved(streams_name);
  const auto d = graph.at(streams).dimensions;
  const std::int64_t channels = d[0] * d[1];
  RecurrentMemory memory(context, RecurrentMemory::Part::ngrams);
  const TensorId window = graph.reshape(
      memory.load(), {memory.width() / std::max<std::int64_t>(1, channels), channels, batch.sequences, 1});
  const TensorId ngrams = context.saved(ngrams_name);
  const TensorId value = linear(context, "ple_value", ngrams, bare);
  const TensorId spread = graph.repeat(graph.reshape(value, {d[0], 1, d[2], 1}), d);
  const TensorId gated = graph.mul(spread, ngram_gate(context, ngrams));
  const Dimensions flat{channels, d[2], 1, 1};
  const TensorId normed = normalize(context, "ple_norm_conv", graph.reshape(graph.reshape(gated, flat), d));
  const TensorId by_sequence =
      graph.reshape(graph.reshape(normed, flat), {channels, batch.tokens_per_sequence, batch.sequences, 1});
  const TensorId joined = graph.concat(window, graph.transpose(by_sequence), 0);
  const auto kept = graph.at(window).dimensions;
  memory.store(graph.cont(
      graph.view_3d(joined, kept[0], kept[1], kept[2], graph.stride(joined, 1), graph.stride(joined, 2))));
  const TensorId weight = context.weight("ple_conv1d");
  constexpr std::int64_t most_taps = 64;
  if (graph.dimension(weight, 0) > most_taps) {
    graph.refuse(ErrorCode::malformed, "ple_conv1d.weight has more taps than the engine's convolutions");
    return;
  }
  const TensorId convolved = graph.cont(graph.unary(convolve_ngrams(context, joined, weight)));
  const TensorId sum = graph.add(gated, graph.reshape(convolved, d));
  context.save(streams_name, graph.add(streams, sum));
}

/// Before attention or feed-forward networks: the gated sum of the streams.
void build_before(GraphContext& context, const GraphStep& step) {
  auto& graph = context.graph();
  const auto d = graph.at(context.saved(streams_name)).dimensions;
  const TensorId gates = norm_and_gates(context, step.operand(0));
  const TensorId normed = by_stream(graph, context.saved(normed_name), d);
  context.set_current(graph.node(Operation::dsv4_hc_pre, tensor_type::f32, {d[0], d[2], 1, 1},
                                 {normed, by_stream(graph, gates, d)}));
}

/// After them: each stream takes its share of the current tensor. In the last layer only the rows whose
/// logits are asked for go on, from the attention's result.
void build_after(GraphContext& context, const GraphStep& step) {
  auto& graph = context.graph();
  TensorId streams = context.saved(streams_name);
  const auto d = graph.at(streams).dimensions;
  TensorId shares = linear(context, part_name(step.operand(0), "_inject"), context.saved(normed_name), bare);
  if (step.has("rows") && context.in_last_layer()) {
    const TensorId ids = context.output_ids();
    context.set_current(graph.get_rows(context.current(), ids));
    shares = graph.get_rows(shares, ids);
    streams = by_stream(graph, graph.get_rows(graph.reshape(streams, {d[0] * d[1], d[2], 1, 1}), ids), d);
  }
  shares = graph.scale(graph.unary(graph.scale(shares)));
  context.save(streams_name, graph.node(Operation::dsv4_hc_post, tensor_type::f32,
                                        graph.at(streams).dimensions, {context.current(), streams, shares}));
}

/// The gated mean of the streams.
void build_end(GraphContext& context, const GraphStep&) {
  auto& graph = context.graph();
  const auto d = graph.at(context.saved(streams_name)).dimensions;
  const TensorId gates = graph.unary(norm_and_gates(context, ""));
  const TensorId gated = by_stream(graph, graph.mul(context.saved(normed_name), gates), d);
  const auto stream = [&] { return graph.view_2d(gated, d[0], d[2], graph.stride(gated, 2)); };
  TensorId sum = graph.cont(stream());
  for (std::int64_t i = 1; i < d[1]; ++i) sum = graph.add(sum, stream());
  context.set_current(graph.scale(sum));
}

constexpr std::string_view after_flags[] = {"rows"};
constexpr GraphBlock blocks[] = {
    {"wide_start", build_start, {}, 0},   {"wide_ngrams", build_ngrams, {}, 0},
    {"wide_before", build_before, {}, 1}, {"wide_after", build_after, after_flags, 1},
    {"wide_end", build_end, {}, 0},
};

}  // namespace

std::span<const GraphBlock> wide_residual_blocks() {
  return blocks;
}

}  // namespace llmsize
