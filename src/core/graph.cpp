#include "llmsize/core/graph.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "llmsize/core/architecture.hpp"
#include "llmsize/core/graph_blocks.hpp"
#include "llmsize/core/graph_context.hpp"
#include "llmsize/core/model.hpp"

namespace llmsize {
namespace {

void build_steps(GraphContext& context, const std::vector<GraphStep>& steps) {
  for (const auto& step : steps) {
    if (context.graph().failed()) return;
    const GraphBlock* block = find_graph_block(step.block);
    if (block != nullptr && applies(context, step)) block->build(context, step);
  }
}

}  // namespace

std::vector<ScratchPart> named_parts(const TensorGraph& graph) {
  constexpr std::size_t role_count = static_cast<std::size_t>(Role::input) + 1;
  std::array<std::int64_t, role_count> largest{};
  for (const auto& tensor : graph.tensors) {
    if (tensor.elsewhere || tensor.view_origin != no_tensor) continue;
    auto& size = largest[static_cast<std::size_t>(tensor.role)];
    size = std::max(size, tensor.size);
  }
  std::vector<ScratchPart> parts;
  for (std::size_t role = 1; role < role_count; ++role)
    if (largest[role] > 0)
      parts.push_back({std::string(role_name(static_cast<Role>(role))), Bytes(largest[role])});
  return parts;
}

Result<TensorGraph> prompt_graph(const Model& model, const Architecture& architecture, const Run& run,
                                 const ContextLayout& layout) {
  const auto& rule = architecture.graph;
  if (rule.layer.empty())
    return fail(ErrorCode::unsupported,
                fmt::format("the graph of architecture \"{}\" is not known block by block", architecture.id),
                "docs/ADDING.md, \"A graph block\", says how to add it.");
  GraphContext context(model, run, layout);
  build_steps(context, rule.input);
  for (int layer = 0; layer < context.layer_count() && !context.graph().failed(); ++layer) {
    context.enter_layer(layer);
    build_steps(context, rule.layer);
  }
  context.enter_layer(-1);
  build_steps(context, rule.output);
  return std::move(context).finish();
}

Result<Scratch> compute_scratch(const Model& model, const Architecture& architecture, const Run& run,
                                const ContextLayout& layout) {
  const auto graph = prompt_graph(model, architecture, run, layout);
  if (!graph) return tl::unexpected(graph.error());
  const Bytes size = reserve(*graph).size;
  if (size.is_saturated())
    return fail(ErrorCode::overflow, "the compute buffer does not fit 64 bits",
                "Lower the context or the micro-batch.");
  Scratch scratch;
  scratch.size = scratch.low = scratch.high = size;
  scratch.source = fmt::format("graph allocator over {} operations", graph->nodes.size());
  scratch.parts = named_parts(*graph);
  return scratch;
}

}  // namespace llmsize
