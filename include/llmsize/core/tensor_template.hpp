#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llmsize/core/expression.hpp"
#include "llmsize/core/hyperparameters.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/core/tensor.hpp"

namespace llmsize {

struct Architecture;

/// A family of tensors: "blk.{layer}.attn_q.weight" with dimensions as expressions over hyperparameters,
/// present on the layers that satisfy `when`. A name without "{layer}" stands for one tensor of the model;
/// its expressions see layer 0.
struct TensorTemplate {
  std::string name;
  std::vector<Expression> dimensions;  ///< One to four, in ggml order.
  Condition when;
  TensorType type;  ///< As converting to F16 gives it.
};

/// Most layers of a model: the engine's own limit (LLAMA_MAX_LAYERS).
inline constexpr int most_layers = 512;

/// A template from its text. `type` may be absent: F16 for matrices, F32 for vectors.
/// Errors: malformed, naming the tensor and what is wrong with it.
Result<TensorTemplate> make_tensor_template(std::string name, const std::vector<std::string>& dimensions,
                                            std::string_view when, std::optional<TensorType> type);

/// The tensor table of a model of `architecture` with these hyperparameters, at the types that converting to
/// F16 gives. Errors: unsupported where the architecture has no templates; malformed for a missing or
/// impossible hyperparameter; overflow.
Result<std::vector<Tensor>> expand_tensors(const Architecture& architecture,
                                           const Hyperparameters& hyperparameters);

}  // namespace llmsize
