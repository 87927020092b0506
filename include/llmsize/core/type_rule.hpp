#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llmsize/core/tensor.hpp"

namespace llmsize {

/// What a tensor is for, as far as the engine's quantizer distinguishes it.
enum class TensorCategory {
  output,
  token_embedding,
  attention_qkv,
  attention_kv_b,
  attention_value,
  attention_key,
  attention_query,
  attention_output,
  ffn_up,
  ffn_gate,
  ffn_down,
  other
};

/// The category that the quantizer sees in a name; the first match in its own order.
TensorCategory category_of(std::string_view tensor_name);
/// The word for a category in data/file_types.json, "attn_v"; absent for an unknown word.
std::optional<TensorCategory> parse_category(std::string_view word);

/// One condition of a type rule: a closed set, because each is a piece of the engine's rule.
struct TypeCondition {
  enum class Kind {
    query_groups_at_least,  ///< "gqa>=4": heads per key/value head of the first layer.
    experts_at_least,       ///< "experts>=4".
    experts_exactly,        ///< "experts==8".
    architecture,           ///< "architecture=falcon".
    imatrix,                ///< "imatrix": quantized with an importance matrix.
    stacked,                ///< "stacked": a third dimension, as experts have.
    undivided,              ///< "undivided": rows are not whole blocks of the file's default type.
    seventy_billion,        ///< "seventy_billion": what the engine calls a 70B model.
    layer_below,            ///< "layer<2".
    layer_below_fraction,   ///< "layer<n/8".
    middle,                 ///< "middle": n/8 <= layer < 7n/8.
    more_bits               ///< "more_bits": the first and last eighth, and every third layer between.
  };
  Kind kind = Kind::imatrix;
  bool negated = false;  ///< "not imatrix".
  std::int64_t number = 0;
  std::string text;
};

/// Absent for a text that is no condition.
std::optional<TypeCondition> parse_condition(std::string_view text);

/// A row of a file type's rule: tensors of `categories` (all where empty) that satisfy every condition get
/// `type`. Rows are ordered; the first that matches holds.
struct TypeRule {
  std::vector<TensorCategory> categories;
  std::vector<TypeCondition> when;
  TensorType type;
};

}  // namespace llmsize
