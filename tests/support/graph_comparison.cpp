#include "support/graph_comparison.hpp"

#include <algorithm>
#include <map>
#include <vector>

#include <fmt/format.h>

namespace llmsize::test {
namespace {

std::string describe(const GraphTensor& t) {
  return fmt::format("{:<14} {:<24} type {} bytes {} [{}] strides [{}]{}{}", operation_name(t.operation),
                     t.name, t.type.id(), t.size, fmt::join(t.dimensions, " "), fmt::join(t.strides, " "),
                     t.output ? " output" : "", t.input ? " input" : "");
}

/// Two graphs side by side, up to the first node that differs.
class Comparison {
 public:
  Comparison(const TensorGraph& ours, const TensorGraph& engine) : ours_(ours), engine_(engine) {}

  std::string find() {
    const std::size_t count = std::max(ours_.nodes.size(), engine_.nodes.size());
    for (std::size_t i = 0; i < count; ++i) {
      const auto difference =
          i < ours_.nodes.size() && i < engine_.nodes.size() ? difference_at(i) : "one graph ends";
      if (!difference.empty()) return surroundings(i, difference);
    }
    return different_inputs();
  }

 private:
  static const GraphTensor& at(const TensorGraph& graph, TensorId id) {
    return graph.tensors[static_cast<std::size_t>(id)];
  }

  /// Sources that have a place in the graph; weights and caches do not matter to it.
  static std::vector<TensorId> placed_sources(const TensorGraph& graph, TensorId id) {
    std::vector<TensorId> sources;
    for (const TensorId source : at(graph, id).sources) {
      if (source == no_tensor) break;
      if (!lives_elsewhere(graph, source)) sources.push_back(source);
    }
    return sources;
  }

  static bool lives_elsewhere(const TensorGraph& graph, TensorId id) {
    const TensorId origin = at(graph, id).view_origin;
    return at(graph, origin == no_tensor ? id : origin).elsewhere;
  }

  std::string difference_at(std::size_t i) {
    const auto& a = at(ours_, ours_.nodes[i]);
    const auto& b = at(engine_, engine_.nodes[i]);
    counterpart_[engine_.nodes[i]] = ours_.nodes[i];
    if (a.operation != b.operation) return "operation";
    // How a cache is seen does not matter: it takes no memory of the graph.
    const bool placed =
        !lives_elsewhere(ours_, ours_.nodes[i]) || !lives_elsewhere(engine_, engine_.nodes[i]);
    if (placed && (!(a.type == b.type) || a.size != b.size)) return "type or size";
    if (placed && a.dimensions != b.dimensions) return "dimensions";
    if (placed && a.strides != b.strides) return "strides";
    if (a.output != b.output) return "output flag";
    if ((a.view_origin == no_tensor) != (b.view_origin == no_tensor)) return "view";
    const auto ours = placed_sources(ours_, ours_.nodes[i]);
    const auto engine = placed_sources(engine_, engine_.nodes[i]);
    if (ours.size() != engine.size()) return "number of sources";
    for (std::size_t k = 0; k < ours.size(); ++k) {
      const auto known = counterpart_.emplace(engine[k], ours[k]).first;
      if (known->second != ours[k] || at(ours_, ours[k]).size != at(engine_, engine[k]).size)
        return fmt::format("source {}: {} instead of {}", k, describe(at(ours_, ours[k])),
                           describe(at(engine_, engine[k])));
    }
    return {};
  }

  [[nodiscard]] std::string surroundings(std::size_t i, const std::string& difference) const {
    std::string text = fmt::format("  node {}: {}\n", i, difference);
    for (std::size_t j = i < 2 ? 0 : i - 2; j < i + 3; ++j) {
      const char mark = j == i ? '>' : ' ';
      if (j < engine_.nodes.size())
        text += fmt::format("  {} engine: {}\n", mark, describe(at(engine_, engine_.nodes[j])));
      if (j >= i && j < ours_.nodes.size())
        text += fmt::format("  {} ours:   {}\n", mark, describe(at(ours_, ours_.nodes[j])));
    }
    return text;
  }

  static std::vector<std::int64_t> input_sizes(const TensorGraph& graph) {
    std::vector<std::int64_t> sizes;
    for (const TensorId leaf : graph.leafs)
      if (!at(graph, leaf).elsewhere) sizes.push_back(at(graph, leaf).size);
    return sizes;
  }

  [[nodiscard]] std::string different_inputs() const {
    const auto ours = input_sizes(ours_), engine = input_sizes(engine_);
    if (ours == engine) return {};
    return fmt::format("  inputs: {} instead of {}\n", fmt::join(ours, " "), fmt::join(engine, " "));
  }

  const TensorGraph& ours_;
  const TensorGraph& engine_;
  std::map<TensorId, TensorId> counterpart_;  // The engine's tensor -> ours.
};

}  // namespace

std::string first_difference(const TensorGraph& ours, const TensorGraph& engine) {
  return Comparison(ours, engine).find();
}

}  // namespace llmsize::test
