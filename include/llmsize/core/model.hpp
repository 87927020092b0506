#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "llmsize/core/fact.hpp"
#include "llmsize/core/hyperparameters.hpp"
#include "llmsize/core/tensor.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

/// Where a model description came from; the word in JSON is `model_source_name`.
enum class ModelSource { catalog, gguf, config, params };

const char* model_source_name(ModelSource source);

/// A model: hyperparameters plus the complete tensor table (read from a header, or expanded from the
/// architecture's templates at F16/F32). Immutable once built, so that tensors can be looked up by name.
struct Model {
  std::string id;
  std::string name;
  std::string architecture;
  ModelSource source = ModelSource::catalog;
  std::string origin;  ///< What the user named: path, id, alias. For messages.
  Hyperparameters hyperparameters;
  std::vector<Tensor> tensors;

  /// Bytes before the tensor data: magic, metadata with vocabulary, tensor table, padding. Known for files;
  /// for others an estimate with basis `derived`.
  Fact<Bytes> header_size = unknown<Bytes>("no file");
  std::int64_t alignment = 32;   ///< general.alignment.
  std::optional<int> file_type;  ///< general.file_type, the file's own word on how it was quantized.
  std::optional<ParamCount> active_params;  ///< Parameters read per token, where they differ from the total.
  /// The tensors' types are the file's own (a custom or published quantization), not F16/F32/BF16 awaiting a
  /// rule.
  bool types_are_final = false;
  std::vector<std::string> notes;

  [[nodiscard]] ParamCount total_params() const;
  /// Null where the model has no such tensor.
  [[nodiscard]] const Tensor* find_tensor(std::string_view tensor_name) const;
};

/// Looks tensors up by name. The model must outlive the index.
class TensorIndex {
 public:
  explicit TensorIndex(const std::vector<Tensor>& tensors);
  [[nodiscard]] const Tensor* find(std::string_view name) const;

 private:
  std::unordered_map<std::string_view, const Tensor*> by_name_;
};

}  // namespace llmsize
