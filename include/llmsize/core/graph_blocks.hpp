#pragma once
#include <span>
#include <string_view>

#include "llmsize/core/graph_context.hpp"
#include "llmsize/core/graph_rule.hpp"

namespace llmsize {

/// A building block of graphs: takes the current tensor, leaves its result as the current tensor.
struct GraphBlock {
  std::string_view name;
  void (*build)(GraphContext& context, const GraphStep& step);
  std::span<const std::string_view> flags;  ///< Accepted words; "key=" for options.
  std::size_t operands = 0;  ///< How many free words it may take: names of weights or of saved tensors.
};

/// Whether a step's conditions, which every block takes, let it run on this layer of this model: "if=KEY" and
/// "unless=KEY" ask whether a hyperparameter is set and not 0, "with=TENSOR" and "without=TENSOR" whether the
/// layer has a weight.
bool applies(const GraphContext& context, const GraphStep& step);

/// The block of that name, or null.
const GraphBlock* find_graph_block(std::string_view name);

// Each block_*.cpp offers its blocks as one table; docs/ADDING.md, "A graph block", says how to add one.
std::span<const GraphBlock> flow_blocks();
std::span<const GraphBlock> attention_blocks();
std::span<const GraphBlock> feed_forward_blocks();
std::span<const GraphBlock> expert_blocks();
std::span<const GraphBlock> latent_blocks();
std::span<const GraphBlock> mamba_blocks();
std::span<const GraphBlock> linear_attention_blocks();
std::span<const GraphBlock> kimi_delta_blocks();
std::span<const GraphBlock> residual_attention_blocks();
std::span<const GraphBlock> lightning_blocks();
std::span<const GraphBlock> wide_residual_blocks();
std::span<const GraphBlock> mixed_residual_blocks();
std::span<const GraphBlock> compressed_attention_blocks();
std::span<const GraphBlock> per_layer_blocks();
std::span<const GraphBlock> hierarchical_blocks();
std::span<const GraphBlock> hyper_connection_blocks();
std::span<const GraphBlock> altup_blocks();

// Pieces that several blocks share.

/// What of a projection's extras the engine applies in a place; each only where the model has it.
struct LinearExtras {
  bool scale = true;
  bool bias = true;
  bool bias_first = false;  ///< As in feed-forward layers.
};
/// x times the weight `name`, then its scale and its bias.
TensorId linear(GraphContext& context, std::string_view name, TensorId x, LinearExtras extras = {});
enum class NormKind { rms, layer };
/// Normalizes, then multiplies with the weight and adds the bias, each where the model has it.
TensorId normalize(GraphContext& context, std::string_view name, TensorId x, NormKind kind = NormKind::rms);

/// Queries, keys and values, [length, heads, tokens] each.
struct Projected {
  TensorId q, k, v;
};
/// Writes k and v to the layer's cache and attends: [value_length * heads, tokens].
struct AttendOptions {
  TensorId sinks = no_tensor;
  TensorId score_bias = no_tensor;  ///< Forces attention without the fused operation.
  int softcap_scales = 0;           ///< Score capping by tanh; scalings before it.
  bool keys_first = false;          ///< Expand q, k, v instead of q, v, k.
  int cache_layer = -1;             ///< Whose cache is read; -1: this layer's.
  bool store = true;
  TensorId mask = no_tensor;           ///< Instead of the cache's own mask.
  TensorId latent_values = no_tensor;  ///< Expands attended latents to each head's values (MLA).
};
TensorId attend(GraphContext& context, TensorId q, TensorId k, TensorId v, const Heads& heads,
                const AttendOptions& options);
/// Attention over given keys and values, [length, heads, cells, streams].
TensorId attend_over(GraphContext& context, TensorId q, TensorId k, TensorId v, TensorId mask,
                     const AttendOptions& options);
/// The same where values are the first part of the keys, so that only keys are kept (MLA): q and k are
/// [latent + rotary, heads, tokens], v is [latent, 1, tokens].
TensorId attend_latent(GraphContext& context, TensorId q, TensorId k, TensorId v,
                       const AttendOptions& options);
/// Multiplies the heads' results with a gate computed from the layer's input, element by element or one
/// factor per head, as the gate's width says.
TensorId gate_heads(GraphContext& context, TensorId attended, TensorId x, const Heads& heads);
/// A cache's mask with everything hidden but `cells`, [count, tokens, 1, streams].
TensorId mask_all_but(GraphContext& context, TensorId cells, TensorId mask,
                      TensorType zeros = tensor_type::f32);
/// Writes the keys of an indexer that scores blocks of tokens by their mean key (Qwen4-exp).
void store_pooled_indexer(GraphContext& context, TensorId x, const AttentionCache& cache);
/// The mask that such an indexer leaves: the cells of the best blocks.
TensorId pooled_indexer_mask(GraphContext& context, TensorId x, const AttentionCache& cache, TensorId mask);
/// Whether the engine lets this layer attend to chosen blocks of cells only (MiniMax-M3): with flash
/// attention, where each sequence has cells of its own.
bool attends_to_blocks(const GraphContext& context);
/// Attention over the blocks of cells that the layer's indexer chooses; `x` is the layer's input.
TensorId attend_to_blocks(GraphContext& context, TensorId x, const Projected& projected, const Heads& heads);
/// Multiplies rows with a rotation that spreads outliers before keys or values are quantized; x itself where
/// there is none.
TensorId rotate(GraphBuilder& graph, TensorId x, TensorId rotation);
/// Writes rows of keys, [length, heads, tokens], to a cache.
void store_in_cache(GraphBuilder& graph, TensorId rows, TensorId cache, TensorId indices);
/// The keys of a cache, [length, heads, cells, streams].
TensorId view_of_cache(GraphBuilder& graph, TensorId cache, std::int64_t length, std::int64_t heads);
/// The projections, fused or separate as the file has them.
Projected project_qkv(GraphContext& context, TensorId x, const Heads& heads, const GraphStep& step);

/// One gated or plain feed-forward network with weights `prefix`_up and so on.
TensorId feed_forward(GraphContext& context, TensorId x, std::string_view prefix, std::string_view suffix,
                      const GraphStep& step);
/// The activation between up and down projections where nothing gates.
TensorId activate_ungated(GraphContext& context, TensorId x, const GraphStep& step);
/// Whether the model limits gates in this layer: a number per layer under `key`, 0 for none.
bool is_gate_limited(const GraphContext& context, std::string_view key);
/// A gate of limited size times an up projection of limited size.
TensorId limited_gate(GraphBuilder& graph, TensorId gate, TensorId up);
/// Kimi K3's activation: gate and up each bounded by tanh, the gate times its own sigmoid.
TensorId situ_gate(GraphContext& context, TensorId gate, TensorId up);
/// The routed experts of the current layer.
TensorId routed_experts(GraphContext& context, TensorId x, const GraphStep& step);

}  // namespace llmsize
