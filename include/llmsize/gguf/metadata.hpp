#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "llmsize/core/hyperparameters.hpp"
#include "llmsize/gguf/cursor.hpp"

namespace llmsize::gguf {

/// A GGUF file's key-value pairs, without the vocabulary: of "tokenizer.*" only the number of tokens is kept.
struct Metadata {
  std::vector<std::pair<std::string, Hyperparameters::Value>> values;  ///< In file order, full keys.
  std::optional<std::int64_t> token_count;                             ///< Length of "tokenizer.ggml.tokens".

  [[nodiscard]] const Hyperparameters::Value* find(std::string_view key) const;
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key) const;
  [[nodiscard]] std::string text(std::string_view key) const;
};

/// Reads `count` pairs. Failures are left in the cursor. Duplicate keys, nested arrays and unknown value
/// types are refused, as the engine does.
Metadata read_metadata(Cursor& cursor, std::int64_t count);

}  // namespace llmsize::gguf
