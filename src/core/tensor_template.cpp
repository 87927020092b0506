#include "llmsize/core/tensor_template.hpp"

#include "llmsize/core/architecture.hpp"

namespace llmsize {

Result<std::vector<Tensor>> expand_tensors(const Architecture& architecture, const Hyperparameters&) {
  return fail(ErrorCode::unsupported,
              "the tensors of architecture \"" + architecture.id + "\" are not described in the catalog",
              "Name a GGUF file, whose header lists them.");
}

}  // namespace llmsize
