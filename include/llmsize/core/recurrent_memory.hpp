#pragma once
#include <cstdint>

#include "llmsize/core/graph_context.hpp"

namespace llmsize {

/// How a micro-batch is laid out for layers with recurrent state: every sequence gets the same number of
/// tokens.
struct SequenceLayout {
  std::int64_t sequences = 1;
  std::int64_t tokens_per_sequence = 1;
};
SequenceLayout sequence_layout(const GraphContext& context);

/// A layer's recurrent memory in a graph: R (token shift, convolution window), S (state) or the window of
/// n-gram embeddings, one row per cell.
///
/// Reading it takes several steps that the engine expands at fixed points; the calls below are those points.
class RecurrentMemory {
 public:
  enum class Part { shift, state, ngrams };
  /// The layer's memory; an error is remembered in the graph where the layout has none.
  RecurrentMemory(GraphContext& context, Part part);

  /// Clears the rows of sequences that start anew, then shows all rows: [width, cells].
  TensorId clear_started();
  /// Which rows this batch's sequences own.
  TensorId own_rows();
  /// Which rows sequences own that are not in this batch.
  TensorId other_rows();
  /// Those rows are moved along.
  void keep_others();
  /// clear_started, the batch's own rows gathered, keep_others: what most blocks do. [width, sequences].
  TensorId load();
  /// Writes one row per sequence back: `rows` holds width * sequences elements, seen in any shape.
  void store(TensorId rows);

  [[nodiscard]] std::int64_t width() const { return width_; }

 private:
  GraphContext& context_;
  std::int64_t width_ = 1;
  std::int64_t cells_ = 1;
  TensorId cache_ = no_tensor;
  TensorId rows_ = no_tensor;
};

/// Joins the window kept from earlier tokens with this batch's `x`, [channels, tokens per sequence,
/// sequences], and stores the new window: [window + tokens per sequence, channels, sequences].
/// `copies`: the engine makes the new window contiguous before it stores it.
TensorId convolution_input(GraphContext& context, RecurrentMemory& memory, TensorId window, TensorId x,
                           bool copies = false);

}  // namespace llmsize
