#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "llmsize/core/result.hpp"

namespace llmsize {

/// One block of a graph with its flags: "attention no_rope", "norm ffn_norm", "moe gating=sigmoid".
struct GraphStep {
  std::string block;
  std::vector<std::string> words;  ///< What follows the block's name, in order.

  [[nodiscard]] bool has(std::string_view flag) const;
  /// The value of "key=value", or `otherwise`.
  [[nodiscard]] std::string_view value(std::string_view key, std::string_view otherwise = {}) const;
  /// The words that are neither flags nor options of the block are its operands; the i-th, or empty.
  [[nodiscard]] std::string_view operand(std::size_t i) const;
};

/// The "graph" section of an architecture: the ordered blocks, with their flags, of the engine's prompt
/// graph. What a block does is code (core/graph_blocks.hpp).
struct GraphRule {
  std::vector<GraphStep> input;   ///< From tokens to the first layer.
  std::vector<GraphStep> layer;   ///< Each layer. Empty: no exact list; the closed form is used.
  std::vector<GraphStep> output;  ///< From the last layer to logits.
};

/// A step from its text form, words separated by spaces.
/// Errors: malformed for a block or flag that does not exist, naming it.
Result<GraphStep> parse_graph_step(std::string_view text);

}  // namespace llmsize
