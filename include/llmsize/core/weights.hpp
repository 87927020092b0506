#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "llmsize/core/model.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

/// Sizes of a model's weights.
struct WeightSizes {
  Bytes tensors;     ///< Sum of tensor data without padding.
  Bytes cpu_buffer;  ///< Each tensor padded to 32; every tensor once.
  Bytes file_data;   ///< Each tensor padded to the file's alignment.
  std::map<std::string, std::int64_t> count_by_type;
  std::map<std::string, Bytes> bytes_by_type;
};
WeightSizes weight_sizes(const Model& model);

/// How a kind of device places a tensor in its buffer.
struct BufferRule {
  std::int64_t alignment = 32;
  /// Quantized tensors whose rows are no multiple of this get a row's worth of extra space; 0: none do.
  std::int64_t row_multiple = 0;
  friend bool operator==(const BufferRule&, const BufferRule&) = default;
};
/// Sources: llama.cpp v0.5.0, ggml-backend (TENSOR_ALIGNMENT) and ggml-cuda (buffer type's alignment,
/// MATRIX_ROW_PADDING).
inline constexpr BufferRule cpu_buffer_rule{32, 0};
inline constexpr BufferRule cuda_buffer_rule{128, 512};

/// What one tensor takes in a buffer, padding included.
Bytes buffer_size(const Tensor& tensor, const BufferRule& rule = cpu_buffer_rule);

/// How often the engine holds a tensor on one device: 0 for what it does not load (next-token-prediction
/// layers, until speculative decoding asks for them), 2 for the embedding of gemma3n and gemma4 models that
/// use it as output too, else 1.
int copies_in_engine(const Model& model, const Tensor& tensor);

/// The engine's "model" buffers on the CPU, without repacked copies.
Bytes engine_weights_size(const Model& model);

}  // namespace llmsize
