#pragma once
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "llmsize/core/model.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/core/tensor.hpp"
#include "llmsize/core/type_rule.hpp"

namespace llmsize {

/// What the engine's quantizer can produce ("ftype"), as data/file_types.json describes it.
struct FileType {
  std::string id;  ///< "Q4_K_M".
  int number = 0;  ///< general.file_type.
  TensorType default_type;
  bool mixes = true;  ///< False for F32, F16, BF16: every weight takes the default type, no fallback.
  /// The position of an ffn_down tensor is counted even in models with experts, where other file types take
  /// the layer in its name.
  bool counts_ffn_down = false;
  std::string refused;  ///< Why the engine cannot produce it; empty where it can.
  std::vector<TypeRule> rules;
};

/// Options of the engine's quantizer that change types.
struct QuantizeOptions {
  bool imatrix = false;
  bool pure = false;
  bool allow_requantize = false;
  std::optional<TensorType> output_tensor_type;
  std::optional<TensorType> token_embedding_type;
  std::vector<std::pair<std::string, TensorType>> tensor_types;  ///< --tensor-type REGEX=TYPE, in order.
  friend bool operator==(const QuantizeOptions&, const QuantizeOptions&) = default;
};

/// The type that each of `model.tensors` (same order) gets from quantizing to `file_type` (docs/METHOD.md,
/// "Weights"). Errors: refused_by_engine with the tensor and the reason; usage for a pattern that is no
/// regular expression.
Result<std::vector<TensorType>> quantized_types(const Model& model, const FileType& file_type,
                                                const TypeTable& types, const QuantizeOptions& options = {});

/// `model` with those types, marked final.
Model with_types(Model model, const std::vector<TensorType>& types);

/// The name of a tensor that the engine will not quantize to these types without an importance matrix; empty
/// where there is none. (Its dry run sizes such files all the same, and so does `quantized_types`.)
std::string needs_importance_matrix(const Model& model, const FileType& file_type,
                                    const std::vector<TensorType>& types);

}  // namespace llmsize
