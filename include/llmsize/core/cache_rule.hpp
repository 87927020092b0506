#pragma once
#include <string>

namespace llmsize {

/// The "cache" section of an architecture: how its layers' caches and states follow from hyperparameters.
struct CacheRule {
  std::string kind;             ///< Empty: unknown, so KV is refused rather than guessed.
  bool flash_attention = true;  ///< False where the engine turns flash attention off whatever is asked.
};

}  // namespace llmsize
