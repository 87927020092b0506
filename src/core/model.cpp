#include "llmsize/core/model.hpp"

#include <algorithm>

namespace llmsize {

const char* model_source_name(ModelSource source) {
  constexpr const char* names[] = {"catalog", "gguf", "config", "params"};
  return names[static_cast<int>(source)];
}

ParamCount Model::total_params() const {
  ParamCount total;
  for (const auto& tensor : tensors) total += ParamCount(tensor.elements());
  return total;
}

const Tensor* Model::find_tensor(std::string_view tensor_name) const {
  const auto found =
      std::find_if(tensors.begin(), tensors.end(), [&](const Tensor& t) { return t.name == tensor_name; });
  return found == tensors.end() ? nullptr : &*found;
}

TensorIndex::TensorIndex(const std::vector<Tensor>& tensors) {
  by_name_.reserve(tensors.size());
  for (const auto& tensor : tensors) by_name_.emplace(tensor.name, &tensor);
}

const Tensor* TensorIndex::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

}  // namespace llmsize
