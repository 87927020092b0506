#pragma once
#include <optional>

#include "llmsize/core/cache.hpp"
#include "llmsize/core/cache_rule.hpp"
#include "llmsize/core/hyperparameters.hpp"

namespace llmsize {

/// R and S of one recurrent layer (docs/METHOD.md, "KV cache and state"), for `rows` sequences.
RecurrentState recurrent_state(const StateRule& rule, const Hyperparameters& hyperparameters,
                               std::int64_t rows);

/// The window that n-gram embeddings keep on `layer`; nothing on layers that have none.
std::optional<RecurrentState> ngram_history(const Hyperparameters& hyperparameters, int layer,
                                            std::int64_t rows);

}  // namespace llmsize
