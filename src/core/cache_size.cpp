#include <algorithm>

#include "llmsize/core/cache.hpp"

namespace llmsize {
namespace {

struct AllocatedSize {
  std::int64_t alignment;

  Bytes operator()(const AttentionCache& cache) const {
    const auto rows = saturating_multiply(cache.cells, cache.streams);
    return align_up(cache.key_type.row_size(cache.key_width) * rows, alignment) +
           align_up(cache.value_type.row_size(cache.value_width) * rows, alignment);
  }
  Bytes operator()(const RecurrentState& state) const {
    return align_up(tensor_type::f32.row_size(state.shift_width) * state.rows, alignment) +
           align_up(tensor_type::f32.row_size(state.state_width) * state.rows, alignment);
  }
};

struct ActiveSize {
  std::int64_t tokens;

  Bytes operator()(const AttentionCache& cache) const {
    const auto per_cell = std::max<std::int64_t>(1, cache.tokens_per_cell);
    const auto used = tokens / per_cell + (tokens % per_cell != 0 ? 1 : 0);
    const auto cells = std::min(saturating_multiply(cache.cells, cache.streams), used);
    return (cache.key_type.row_size(cache.key_width) + cache.value_type.row_size(cache.value_width)) * cells;
  }
  Bytes operator()(const RecurrentState& state) const { return AllocatedSize{1}(state); }
};

}  // namespace

Bytes allocated_size(const LayerMemory& memory, std::int64_t alignment) {
  return std::visit(AllocatedSize{alignment}, memory);
}

Bytes active_size(const LayerMemory& memory, std::int64_t tokens) {
  return std::visit(ActiveSize{std::max<std::int64_t>(0, tokens)}, memory);
}

ContextSize context_size(const ContextLayout& layout, std::int64_t active_tokens) {
  ContextSize sum;
  for (const auto& entry : layout) {
    const auto size = allocated_size(entry.memory);
    if (std::holds_alternative<RecurrentState>(entry.memory)) {
      sum.states += size;
      continue;
    }
    sum.caches += size;
    sum.active += active_size(entry.memory, active_tokens);
  }
  return sum;
}

}  // namespace llmsize
