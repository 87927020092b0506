#include "llmsize/core/graph_blocks.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace llmsize {
namespace {

constexpr auto block_tables = {&flow_blocks,
                               &attention_blocks,
                               &feed_forward_blocks,
                               &expert_blocks,
                               &latent_blocks,
                               &per_layer_blocks,
                               &hierarchical_blocks,
                               &altup_blocks,
                               &mamba_blocks,
                               &linear_attention_blocks,
                               &hyper_connection_blocks,
                               &kimi_delta_blocks,
                               &residual_attention_blocks,
                               &lightning_blocks,
                               &wide_residual_blocks,
                               &mixed_residual_blocks,
                               &compressed_attention_blocks};

bool is_option_of(const GraphBlock& block, std::string_view word) {
  for (const std::string_view everywhere : {"if=", "unless=", "with=", "without="})
    if (word.substr(0, everywhere.size()) == everywhere) return true;
  return std::any_of(block.flags.begin(), block.flags.end(), [&](std::string_view flag) {
    return flag.back() == '=' ? word.substr(0, flag.size()) == flag : word == flag;
  });
}

}  // namespace

const GraphBlock* find_graph_block(std::string_view name) {
  for (const auto table : block_tables)
    for (const auto& block : table())
      if (block.name == name) return &block;
  return nullptr;
}

bool GraphStep::has(std::string_view flag) const {
  return std::find(words.begin(), words.end(), flag) != words.end();
}

std::string_view GraphStep::value(std::string_view key, std::string_view otherwise) const {
  for (const std::string_view word : words)
    if (word.size() > key.size() && word.substr(0, key.size()) == key && word[key.size()] == '=')
      return word.substr(key.size() + 1);
  return otherwise;
}

std::string_view GraphStep::operand(std::size_t i) const {
  return i < words.size() ? std::string_view(words[i]) : std::string_view();
}

bool applies(const GraphContext& context, const GraphStep& step) {
  const auto is_set = [&](std::string_view key) {
    return context.hyperparameters().number(key).value_or(0) != 0;
  };
  if (const auto key = step.value("if"); !key.empty() && !is_set(key)) return false;
  if (const auto key = step.value("unless"); !key.empty() && is_set(key)) return false;
  if (const auto name = step.value("with"); !name.empty() && !context.has(name)) return false;
  if (const auto name = step.value("without"); !name.empty() && context.has(name)) return false;
  return true;
}

Result<GraphStep> parse_graph_step(std::string_view text) {
  GraphStep step;
  for (std::size_t start = 0; start < text.size();) {
    const auto end = std::min(text.find(' ', start), text.size());
    if (end > start) {
      const auto word = text.substr(start, end - start);
      if (step.block.empty())
        step.block = word;
      else
        step.words.emplace_back(word);
    }
    start = end + 1;
  }
  const GraphBlock* block = find_graph_block(step.block);
  if (block == nullptr)
    return fail(ErrorCode::malformed, fmt::format("there is no graph block \"{}\"", step.block),
                "docs/ADDING.md, \"A graph block\", lists them.");
  for (std::size_t i = 0; i < step.words.size(); ++i)
    if (i >= block->operands && !is_option_of(*block, step.words[i]))
      return fail(ErrorCode::malformed,
                  fmt::format("the graph block \"{}\" has no flag \"{}\"", step.block, step.words[i]),
                  "docs/ADDING.md, \"A graph block\", lists the flags.");
  return step;
}

namespace {

TensorId scaled(GraphContext& context, std::string_view name, TensorId x) {
  const TensorId scale = context.find(name, ".scale");
  return scale == no_tensor ? x : context.graph().mul(x, scale);
}

TensorId biased(GraphContext& context, std::string_view name, TensorId x) {
  const TensorId bias = context.find(name, ".bias");
  return bias == no_tensor ? x : context.graph().add(x, bias);
}

}  // namespace

TensorId linear(GraphContext& context, std::string_view name, TensorId x, LinearExtras extras) {
  TensorId result = context.graph().mul_mat(context.weight(name), x);
  if (extras.scale && !extras.bias_first) result = scaled(context, name, result);
  if (extras.bias) result = biased(context, name, result);
  if (extras.scale && extras.bias_first) result = scaled(context, name, result);
  return result;
}

TensorId normalize(GraphContext& context, std::string_view name, TensorId x, NormKind kind) {
  auto& graph = context.graph();
  TensorId result = kind == NormKind::rms ? graph.rms_norm(x) : graph.norm(x);
  TensorId weight = context.find(name);
  if (weight == no_tensor) weight = context.find(name, "");  // Some files leave ".weight" off.
  if (weight != no_tensor) result = graph.mul(result, weight);
  if (const TensorId bias = context.find(name, ".bias"); bias != no_tensor) result = graph.add(result, bias);
  return graph.with_role(result, Role::normalized);
}

}  // namespace llmsize
