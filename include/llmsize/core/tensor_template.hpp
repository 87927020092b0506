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

struct Architecture;

/// The tensor table of a model of `architecture` with these hyperparameters, at the types that converting to
/// F16 gives. Errors: unsupported where the architecture has no templates; malformed for a missing or
/// impossible hyperparameter; overflow.
Result<std::vector<Tensor>> expand_tensors(const Architecture& architecture,
                                           const Hyperparameters& hyperparameters);

}  // namespace llmsize
