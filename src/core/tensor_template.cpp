#include "llmsize/core/tensor_template.hpp"

#include "llmsize/core/architecture.hpp"

namespace llmsize {
namespace {

constexpr std::string_view layer_mark = "{layer}";

/// A template with everything looked up for one model.
struct BoundTemplate {
  const TensorTemplate* source = nullptr;
  std::string before, after;  ///< The name around the layer number.
  bool per_layer = false;
  std::vector<Expression::Bound> dimensions;
  Condition::Bound when;
};

BoundTemplate bind(const TensorTemplate& source, LayerScope& scope) {
  BoundTemplate bound;
  bound.source = &source;
  const auto mark = source.name.find(layer_mark);
  bound.per_layer = mark != std::string::npos;
  bound.before = source.name.substr(0, mark);
  if (bound.per_layer) bound.after = source.name.substr(mark + layer_mark.size());
  for (const auto& dimension : source.dimensions) bound.dimensions.push_back(dimension.bind(scope));
  bound.when = source.when.bind(scope);
  return bound;
}

Result<Tensor> expand(const BoundTemplate& bound, int layer) {
  Tensor tensor;
  tensor.name = bound.per_layer ? bound.before + std::to_string(layer) + bound.after : bound.before;
  tensor.type = bound.source->type;
  for (std::size_t i = 0; i < bound.dimensions.size(); ++i) {
    const auto length = bound.dimensions[i].evaluate(layer);
    if (!length)
      return fail(length.error().code, "tensor " + tensor.name + ": " + length.error().message,
                  length.error().hint);
    if (*length < 1)
      return fail(ErrorCode::malformed, "tensor " + tensor.name + ": \"" +
                                            bound.source->dimensions[i].text() + "\" is " +
                                            std::to_string(*length) + ", but a dimension is at least 1");
    tensor.dimensions[i] = *length;
  }
  if (tensor.size().is_saturated() || tensor.elements() == Bytes::highest)
    return fail(ErrorCode::overflow, "tensor " + tensor.name + ": its size does not fit 64 bits");
  return tensor;
}

}  // namespace

Result<TensorTemplate> make_tensor_template(std::string name, const std::vector<std::string>& dimensions,
                                            std::string_view when, std::optional<TensorType> type) {
  TensorTemplate out;
  out.name = std::move(name);
  const auto wrong = [&](const std::string& why) {
    return fail(ErrorCode::malformed, "tensor " + out.name + ": " + why);
  };
  if (out.name.empty()) return wrong("a name is needed");
  if (dimensions.empty() || dimensions.size() > 4) return wrong("one to four dimensions are needed");
  for (const auto& text : dimensions) {
    auto dimension = Expression::parse(text);
    if (!dimension) return wrong(dimension.error().message);
    out.dimensions.push_back(*std::move(dimension));
  }
  auto condition = Condition::parse(when);
  if (!condition) return wrong(condition.error().message);
  out.when = *std::move(condition);
  out.type = type.value_or(dimensions.size() > 1 ? tensor_type::f16 : tensor_type::f32);
  return out;
}

Result<std::vector<Tensor>> expand_tensors(const Architecture& architecture,
                                           const Hyperparameters& hyperparameters) {
  if (architecture.tensors.empty())
    return fail(ErrorCode::unsupported,
                "the tensors of architecture \"" + architecture.id + "\" are not described in the catalog",
                "Name a GGUF file, whose header lists them.");
  const auto layers = hyperparameters.integer("block_count");
  if (!layers || *layers < 1 || *layers > most_layers)
    return fail(ErrorCode::malformed, "block_count must be 1 to " + std::to_string(most_layers));

  LayerScope scope(hyperparameters);
  std::vector<BoundTemplate> bound;
  bound.reserve(architecture.tensors.size());
  for (const auto& source : architecture.tensors) bound.push_back(bind(source, scope));

  std::vector<Tensor> tensors;
  tensors.reserve(bound.size() * static_cast<std::size_t>(*layers));
  const auto add = [&](bool per_layer, int layer) -> Result<void> {
    for (const auto& source : bound) {
      if (source.per_layer != per_layer || !source.when.holds(layer)) continue;
      auto tensor = expand(source, layer);
      if (!tensor) return tl::unexpected(tensor.error());
      tensors.push_back(*std::move(tensor));
    }
    return {};
  };
  if (auto done = add(false, 0); !done) return tl::unexpected(done.error());
  for (int layer = 0; layer < static_cast<int>(*layers); ++layer)
    if (auto done = add(true, layer); !done) return tl::unexpected(done.error());
  return tensors;
}

}  // namespace llmsize
