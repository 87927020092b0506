#include "cache_state.hpp"

#include <algorithm>

namespace llmsize {
namespace {

// Files of RWKV models without "token_shift_count" shift two tokens (llama.cpp v0.5.0).
constexpr std::int64_t default_token_shifts = 2;

std::int64_t value(const Hyperparameters& hyperparameters, std::string_view key, std::int64_t otherwise = 0) {
  return std::max<std::int64_t>(0, hyperparameters.integer(key).value_or(otherwise));
}

std::int64_t times(std::int64_t a, std::int64_t b) {
  return saturating_multiply(a, b);
}

std::int64_t plus(std::int64_t a, std::int64_t b) {
  return (Bytes(a) + Bytes(b)).value();
}

/// Columns that a convolution keeps: its first one has always just been shifted out.
std::int64_t convolution_window(const Hyperparameters& hyperparameters) {
  return std::max<std::int64_t>(0, value(hyperparameters, "ssm.conv_kernel") - 1);
}

struct StateWidths {
  const Hyperparameters& h;

  RecurrentState operator()(const MambaState& rule) const {
    const auto inner = value(h, "ssm.inner_size");
    const auto size = value(h, "ssm.state_size");
    const auto groups = rule.grouped ? value(h, "ssm.group_count") : 0;
    RecurrentState state;
    state.shift_width = times(convolution_window(h), plus(inner, times(2, times(groups, size))));
    state.state_width = times(size, inner);
    return state;
  }
  RecurrentState operator()(const RwkvState&) const {
    RecurrentState state;
    state.shift_width = times(value(h, "token_shift_count", default_token_shifts), h.embedding_length());
    state.state_width = times(h.embedding_length(), value(h, "wkv.head_size"));
    return state;
  }
  RecurrentState operator()(const ShortConvolutionState&) const {
    RecurrentState state;
    state.shift_width =
        times(h.embedding_length(), std::max<std::int64_t>(0, value(h, "shortconv.l_cache") - 1));
    return state;
  }
  RecurrentState operator()(const KimiDeltaState&) const {
    const auto head = value(h, "kda.head_dim");
    RecurrentState state;
    // One window each for queries, keys and values.
    state.shift_width = times(3, times(convolution_window(h), times(h.head_count(0), head)));
    state.state_width = times(times(head, head), h.head_count(0));
    return state;
  }
  RecurrentState operator()(const LightningState&) const {
    RecurrentState state;
    state.state_width = times(times(h.key_length(), h.key_length()), h.head_count(0));
    return state;
  }
};

}  // namespace

RecurrentState recurrent_state(const StateRule& rule, const Hyperparameters& hyperparameters,
                               std::int64_t rows) {
  auto state = std::visit(StateWidths{hyperparameters}, rule);
  state.rows = rows;
  return state;
}

std::optional<RecurrentState> ngram_history(const Hyperparameters& hyperparameters, int layer,
                                            std::int64_t rows) {
  const auto* layers = hyperparameters.list("ple.layers");
  if (layers == nullptr || std::find(layers->begin(), layers->end(), layer) == layers->end())
    return std::nullopt;
  const auto window = std::max<std::int64_t>(0, value(hyperparameters, "ple.conv_kernel") - 1);
  const auto streams = value(hyperparameters, "hyper_connection.count");
  RecurrentState state;
  state.kind = RecurrentState::Kind::ngram_history;
  state.shift_width = times(times(window, value(hyperparameters, "ple.ngram_size")),
                            times(streams, hyperparameters.embedding_length()));
  state.rows = rows;
  return state;
}

}  // namespace llmsize
