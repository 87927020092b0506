#pragma once
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "llmsize/core/model.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/core/tensor.hpp"

namespace llmsize {

/// What the engine's quantizer can produce ("ftype"), as data/quants.json describes it.
struct FileType {
  std::string id;  ///< "Q4_K_M".
  int number = 0;  ///< general.file_type.
  TensorType default_type;
  bool mixes = true;  ///< False for F32, F16, BF16: every weight takes the default type, no fallback.
  // The rule's rows; the author of core/quantize.cpp completes this struct.
};

/// Options of the engine's quantizer that change types.
struct QuantizeOptions {
  bool imatrix = false;
  bool pure = false;
  std::optional<TensorType> output_tensor_type;
  std::optional<TensorType> token_embedding_type;
  std::vector<std::pair<std::string, TensorType>> tensor_types;  ///< --tensor-type REGEX=TYPE, in order.
};

/// The type that each of `model.tensors` (same order) gets from quantizing to `file_type` (docs/METHOD.md,
/// "Weights"). Errors: refused_by_engine with the tensor and the reason.
Result<std::vector<TensorType>> quantized_types(const Model& model, const FileType& file_type,
                                                const TypeTable& types, const QuantizeOptions& options = {});

/// `model` with those types, marked final.
Model with_types(Model model, const std::vector<TensorType>& types);

/// Sizes of a model's weights.
struct WeightSizes {
  Bytes tensors;     ///< Sum of tensor data without padding.
  Bytes cpu_buffer;  ///< Each tensor padded to 32: the engine's CPU buffer.
  Bytes file_data;   ///< Each tensor padded to the file's alignment.
  std::map<std::string, std::int64_t> count_by_type;
  std::map<std::string, Bytes> bytes_by_type;
};
WeightSizes weight_sizes(const Model& model);

}  // namespace llmsize
