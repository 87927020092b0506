#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace llmsize {

/// Which layers see only a window of recent tokens, and how wide it is. What a file says under
/// "attention.sliding_window" and "attention.sliding_window_pattern" wins unless stated otherwise.
struct SlidingWindowRule {
  std::int64_t default_window = 0;  ///< Where the file names none; 0: it must.
  bool fixed = false;               ///< The engine keeps its own width even where the file names one.
  bool optional = false;            ///< Without a width in the file every layer sees everything.
  bool off_when_zero = false;       ///< A width of 0 in the file turns the window off.
  std::int64_t period = 0;          ///< One layer in so many sees everything; 0: the file's pattern must say.
  bool dense_first = false;         ///< The first of each period sees everything, not the last.
  bool every_layer = false;         ///< No layer sees everything, whatever the pattern.
  bool chunked = false;             ///< Windows do not slide but start anew at each multiple of the width.
  int only_with_layers = 0;         ///< Only models of that many layers have a window; 0: all.
};

/// Which layers keep a second, narrow cache of indexer keys that choose the tokens attended to.
struct IndexerRule {
  enum class Layers {
    every,               ///< Every layer of the main context that keeps keys.
    listed,              ///< Those that "attention.indexer.types" marks.
    after_leading_dense  ///< From "leading_dense_block_count" on.
  };
  Layers layers = Layers::every;
  bool with_values = false;  ///< Keeps values as wide as the keys, too.
  std::string required_key;  ///< Absent in the file: no layer has an indexer. Empty: always.
};

/// Attention layers: full, grouped, latent, windowed, with or without shared caches.
struct AttentionRule {
  bool latent = false;  ///< Files with "attention.key_length_mla" keep one latent vector instead of K and V.
  std::optional<SlidingWindowRule> window;
  std::optional<IndexerRule> indexer;
  int owning_layers = 0;  ///< Only the first so many layers own a cache; the others reuse theirs. 0: all.
  std::string shared_layers_key;  ///< The file's count of layers at the end that reuse others' caches.
};

/// Mamba and Mamba-2: R holds the convolution's window, S the states; gated delta nets use the same two.
struct MambaState {
  bool grouped = false;  ///< R also holds B and C of each of "ssm.group_count" groups.
};
/// RWKV: R holds shifted tokens, S a matrix per head.
struct RwkvState {};
/// LFM2's short convolution: only its window.
struct ShortConvolutionState {};
/// Kimi delta attention: three convolution windows and a square matrix per head.
struct KimiDeltaState {};
/// MiniMax-01's lightning attention: a square matrix per head, no window.
struct LightningState {};

/// How wide R and S of a recurrent layer are. A new kind is one alternative more.
using StateRule = std::variant<MambaState, RwkvState, ShortConvolutionState, KimiDeltaState, LightningState>;

/// Every layer is recurrent.
struct RecurrentRule {
  StateRule state;
};

/// Recurrent layers among attention layers.
struct HybridRule {
  enum class Recurrent {
    every,             ///< Each layer has both a cache and a state.
    without_kv_heads,  ///< Those with no key/value heads.
    interval           ///< All but every n-th.
  };
  AttentionRule attention;
  StateRule state;
  Recurrent recurrent = Recurrent::without_kv_heads;
  std::int64_t interval = 0;         ///< The n of `interval` where "full_attention_interval" is absent.
  bool feed_forward_layers = false;  ///< Layers with a feed-forward length own neither cache nor state.
  bool ngram_history = false;        ///< Layers in "ple.layers" keep the window of their n-gram embeddings.
};

/// DeepSeek-V4: a window of raw keys, compressed keys of older tokens, and the compressors' states.
struct CompressedRule {
  SlidingWindowRule window;
};

/// Nothing is kept between calls (diffusion and embedding models).
struct NoCacheRule {};
/// Not described: refused rather than guessed.
struct UnknownCacheRule {};

/// The "cache" section of an architecture: how its layers' caches and states follow from hyperparameters.
struct CacheRule {
  std::variant<UnknownCacheRule, NoCacheRule, AttentionRule, RecurrentRule, HybridRule, CompressedRule> kind;
  bool flash_attention = true;  ///< False where the engine turns flash attention off whatever is asked.
};

}  // namespace llmsize
