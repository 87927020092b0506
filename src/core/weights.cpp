#include "llmsize/core/weights.hpp"

#include <algorithm>
#include <vector>

namespace llmsize {
namespace {

/// Architectures that load the embedding a second time as the output, even into the same buffer.
/// Source: recorded loads of llama.cpp v0.5.0 (Gemma 4 E2B holds its embedding twice).
constexpr std::string_view twice_embedded[] = {"gemma3n", "gemma4"};

bool holds_embedding_twice(const Model& model) {
  return std::find(std::begin(twice_embedded), std::end(twice_embedded), model.architecture) !=
             std::end(twice_embedded) &&
         model.find_tensor("output.weight") == nullptr;
}

}  // namespace

WeightSizes weight_sizes(const Model& model) {
  struct OfType {
    TensorType type;
    std::int64_t count = 0;
    Bytes size;
  };
  // A model has a handful of types, so that going through them costs less than looking names up.
  std::vector<OfType> types;
  WeightSizes sizes;
  for (const auto& tensor : model.tensors) {
    const Bytes size = tensor.size();
    sizes.tensors += size;
    sizes.cpu_buffer += buffer_size(tensor);
    sizes.file_data += align_up(size, model.alignment);
    auto of_type =
        std::find_if(types.begin(), types.end(), [&](const OfType& t) { return t.type == tensor.type; });
    if (of_type == types.end()) of_type = types.insert(types.end(), {tensor.type, 0, {}});
    ++of_type->count;
    of_type->size += size;
  }
  for (const auto& [type, count, size] : types) {
    sizes.count_by_type[std::string(type.name())] += count;
    sizes.bytes_by_type[std::string(type.name())] += size;
  }
  return sizes;
}

Bytes buffer_size(const Tensor& tensor, const BufferRule& rule) {
  Bytes size = tensor.size();
  if (rule.row_multiple > 0 && tensor.type.is_quantized() && tensor.dimensions[0] % rule.row_multiple != 0) {
    // Elements are padded, so that a kernel may read past the last row; whole blocks cover them.
    const std::int64_t missing = rule.row_multiple - tensor.dimensions[0] % rule.row_multiple;
    size += tensor.type.row_size(missing);
  }
  return align_up(size, rule.alignment);
}

int copies_in_engine(const Model& model, const Tensor& tensor) {
  // Asked for every tensor, so the usual answers come before the costlier look-ups.
  const int layer = layer_of(tensor.name);
  if (layer < 0) return tensor.name == "token_embd.weight" && holds_embedding_twice(model) ? 2 : 1;
  const auto& parameters = model.hyperparameters;
  if (!parameters.has("nextn_predict_layers")) return 1;
  return parameters.next_token_layer_count() > 0 && layer >= parameters.main_layer_count() ? 0 : 1;
}

Bytes engine_weights_size(const Model& model) {
  // Looking hyperparameters up for every tensor would cost more than all else here.
  const bool drops_layers = model.hyperparameters.next_token_layer_count() > 0;
  Bytes total;
  for (const auto& tensor : model.tensors) {
    const bool usual = !drops_layers && tensor.name != "token_embd.weight";
    const int copies = usual ? 1 : copies_in_engine(model, tensor);
    if (copies > 0) total += buffer_size(tensor) * copies;
  }
  return total;
}

}  // namespace llmsize
