#pragma once
#include <string>
#include <vector>

#include "llmsize/core/hyperparameters.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/core/tensor.hpp"

namespace llmsize {

/// A family of tensors: "blk.{layer}.attn_q.weight" with dimensions as expressions over hyperparameters,
/// present on the layers that satisfy `when`.
struct TensorTemplate {
  std::string name;
  std::vector<std::string> dimensions;
  std::string when;
};

}  // namespace llmsize
