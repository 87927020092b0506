#include "llmsize/core/recurrent_memory.hpp"

#include <algorithm>

namespace llmsize {

SequenceLayout sequence_layout(const GraphContext& context) {
  const std::int64_t sequences = std::max<std::int64_t>(1, context.run().sequences);
  return {sequences, std::max<std::int64_t>(1, context.tokens() / sequences)};
}

RecurrentMemory::RecurrentMemory(GraphContext& context, Part part) : context_(context) {
  auto& graph = context.graph();
  const RecurrentState* state =
      context.recurrent_state(context.layer(), part == Part::ngrams ? RecurrentState::Kind::ngram_history
                                                                    : RecurrentState::Kind::recurrent);
  if (state == nullptr) {
    graph.refuse(ErrorCode::malformed, "a recurrent block stands on a layer without recurrent state",
                 "Mend the architecture's \"cache\" or \"graph\" section.");
  } else {
    // Lightning attention has no window, but the engine's graph reads and writes its nothing all the same.
    width_ = std::max<std::int64_t>(0, part == Part::state ? state->state_width : state->shift_width);
    cells_ = std::max<std::int64_t>(1, state->rows);
  }
  cache_ = graph.external(part == Part::state ? "cache_s" : "cache_r", tensor_type::f32,
                          {saturating_multiply(width_, cells_), 1, 1, 1});
}

TensorId RecurrentMemory::clear_started() {
  auto& graph = context_.graph();
  rows_ = graph.reshape(cache_, {width_, cells_, 1, 1});
  graph.expand(graph.scale_in_place(graph.view_2d(rows_, width_, 1, graph.stride(rows_, 1))));
  return rows_;
}

TensorId RecurrentMemory::own_rows() {
  auto& graph = context_.graph();
  constexpr std::string_view name = "rs_s_copy_main";
  if (context_.has_saved(name)) return context_.saved(name);
  const TensorId map = context_.input_once("rs_s_copy", tensor_type::i32, {cells_, 1, 1, 1});
  const std::int64_t sequences = std::min(cells_, sequence_layout(context_).sequences);
  context_.save(name, graph.view_2d(map, sequences, 1, graph.stride(map, 1)));
  return context_.saved(name);
}

TensorId RecurrentMemory::other_rows() {
  auto& graph = context_.graph();
  constexpr std::string_view name = "rs_s_copy_extra";
  if (context_.has_saved(name)) return context_.saved(name);
  const TensorId map = context_.input_once("rs_s_copy", tensor_type::i32, {cells_, 1, 1, 1});
  const std::int64_t others = std::max<std::int64_t>(0, cells_ - sequence_layout(context_).sequences);
  const std::int64_t row = others * graph.stride(map, 0);
  context_.save(name, graph.view(map, {others, 1, 1, 1}, {row, row, row}));
  return context_.saved(name);
}

void RecurrentMemory::keep_others() {
  auto& graph = context_.graph();
  const TensorId kept = graph.get_rows(rows_, other_rows());
  const std::int64_t others = graph.dimension(kept, 1);
  graph.expand(graph.cpy(kept, graph.view_2d(cache_, width_, others, graph.stride(rows_, 1))));
}

TensorId RecurrentMemory::load() {
  clear_started();
  auto& graph = context_.graph();
  const TensorId loaded = graph.get_rows(rows_, own_rows());
  graph.expand(loaded);
  keep_others();
  return loaded;
}

void RecurrentMemory::store(TensorId rows) {
  auto& graph = context_.graph();
  const std::int64_t count = graph.elements(rows);
  const TensorId place = graph.view_2d(cache_, count, 1, graph.stride(cache_, 1));
  graph.expand(graph.cpy(rows, place));
}

TensorId convolution_input(GraphContext& context, RecurrentMemory& memory, TensorId window, TensorId x,
                           bool copies) {
  auto& graph = context.graph();
  const TensorId joined = graph.concat(window, graph.transpose(x), 0);
  const auto kept = graph.at(window).dimensions;
  const TensorId next =
      graph.view_3d(joined, kept[0], kept[1], kept[2], graph.stride(joined, 1), graph.stride(joined, 2));
  memory.store(copies ? graph.cont(next) : next);
  return joined;
}

}  // namespace llmsize
