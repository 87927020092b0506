#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llmsize/core/graph_allocator.hpp"
#include "llmsize/core/result.hpp"

namespace llmsize {

/// Dimensions in ggml order; unused ones 1.
using Dimensions = std::array<std::int64_t, 4>;

/// Makes tensors of a graph the way ggml's functions do, and puts them in order the way its forward
/// expansion does. Each function takes the operands in ggml's order and returns the result; shapes and
/// strides of results are ggml's.
///
/// Shapes that do not fit together come from outside (a file's tensor table), so they are errors, not bugs:
/// the first one is kept, every later call goes on with it harmlessly, and `finish` reports it.
class GraphBuilder {
 public:
  GraphBuilder();

  // Tensors that no operation makes.

  /// An input of the graph: filled from outside, placed before anything runs.
  TensorId input(std::string_view name, TensorType type, Dimensions dimensions);
  /// A weight or a cache: has its place in another buffer. `name` must outlive the graph.
  TensorId external(std::string_view name, TensorType type, Dimensions dimensions);

  // Element-wise operations: the result has the shape of `a`, `b` is repeated over it.

  TensorId add(TensorId a, TensorId b);
  TensorId sub(TensorId a, TensorId b);
  TensorId mul(TensorId a, TensorId b);
  TensorId div(TensorId a, TensorId b);
  TensorId add_id(TensorId a, TensorId b, TensorId ids);
  TensorId scale(TensorId a) { return same_shape(Operation::scale, a); }
  /// Scales where `a` lies; the result shows a's place.
  TensorId add_in_place(TensorId a, TensorId b);
  TensorId scale_in_place(TensorId a);
  TensorId clamp(TensorId a) { return same_shape(Operation::clamp, a); }
  /// Any function of one element: silu, gelu, relu, sigmoid, tanh, exp, …
  TensorId unary(TensorId a) { return same_shape(Operation::unary, a); }
  TensorId sqr(TensorId a) { return same_shape(Operation::sqr, a); }
  TensorId sqrt(TensorId a) { return same_shape(Operation::sqrt, a); }
  TensorId log(TensorId a) { return same_shape(Operation::log, a); }
  TensorId fill(TensorId a) { return same_shape(Operation::fill, a); }
  TensorId norm(TensorId a) { return same_shape(Operation::norm, a); }
  TensorId rms_norm(TensorId a) { return same_shape(Operation::rms_norm, a); }
  TensorId l2_norm(TensorId a) { return same_shape(Operation::l2_norm, a); }
  TensorId rope(TensorId a, TensorId positions, TensorId factors = no_tensor);
  TensorId rope_back(TensorId a, TensorId positions, TensorId factors = no_tensor);
  TensorId soft_max(TensorId a, TensorId mask = no_tensor, TensorId sinks = no_tensor);
  /// An activation of `gate` times `up`, both of the result's shape.
  TensorId gated(TensorId gate, TensorId up);
  /// The same with both halves in one tensor of twice the width.
  TensorId gated_halves(TensorId gate_and_up);

  // Operations that change the shape.

  TensorId get_rows(TensorId a, TensorId ids);
  TensorId mul_mat(TensorId a, TensorId b);
  TensorId mul_mat_id(TensorId a, TensorId b, TensorId ids);
  TensorId flash_attention(TensorId q, TensorId k, TensorId v, TensorId mask, TensorId sinks = no_tensor);
  TensorId sum_rows(TensorId a);
  TensorId argsort(TensorId a);
  /// The `count` largest of each row by sorting all: the sorted indices, seen through a view.
  TensorId argsort_top_k(TensorId a, std::int64_t count);
  TensorId top_k(TensorId a, std::int64_t count);
  TensorId concat(TensorId a, TensorId b, int dimension);
  TensorId repeat(TensorId a, Dimensions dimensions);
  TensorId pad(TensorId a, Dimensions extra);
  /// A contiguous copy, optionally under other dimensions.
  TensorId cont(TensorId a);
  TensorId cont(TensorId a, Dimensions dimensions);
  TensorId cast(TensorId a, TensorType type);
  /// Copies `a` into `b`; the result shows b's place.
  TensorId cpy(TensorId a, TensorId b);
  /// Writes the rows of `b` at `ids` into `a`; the result shows a's place.
  TensorId set_rows(TensorId a, TensorId b, TensorId ids);

  // Other ways to see the same bytes.

  /// `strides` are those of dimensions 1, 2 and 3 in bytes.
  TensorId view(TensorId a, Dimensions dimensions, std::array<std::int64_t, 3> strides);
  TensorId view_2d(TensorId a, std::int64_t d0, std::int64_t d1, std::int64_t stride1);
  TensorId view_3d(TensorId a, std::int64_t d0, std::int64_t d1, std::int64_t d2, std::int64_t stride1,
                   std::int64_t stride2);
  TensorId reshape(TensorId a, Dimensions dimensions);
  /// Dimension i of `a` becomes dimension axes[i] of the result.
  TensorId permute(TensorId a, std::array<std::size_t, 4> axes);
  TensorId transpose(TensorId a);

  /// Any other operation, with a contiguous result.
  TensorId node(Operation operation, TensorType type, Dimensions dimensions,
                std::initializer_list<TensorId> sources);

  // The graph.

  /// Appends what `root` needs and is not yet in the graph, sources before uses, then `root`.
  void expand(TensorId root);
  /// Marks a tensor as read from outside: its place is never given to another.
  TensorId output(TensorId id);
  TensorId with_role(TensorId id, Role role);
  /// The layer that tensors are made for from now on; -1 outside.
  void set_layer(int layer) { layer_ = static_cast<std::int16_t>(layer); }

  [[nodiscard]] const GraphTensor& at(TensorId id) const {
    return graph_.tensors[static_cast<std::size_t>(id)];
  }
  /// Dimension `axis` of a tensor.
  [[nodiscard]] std::int64_t dimension(TensorId id, std::size_t axis) const {
    return at(id).dimensions[axis];
  }
  [[nodiscard]] std::int64_t stride(TensorId id, std::size_t axis) const { return at(id).strides[axis]; }
  [[nodiscard]] bool is_contiguous(TensorId id) const;
  [[nodiscard]] std::int64_t elements(TensorId id) const;

  /// Remembers that the graph cannot be built; only the first error is kept.
  void refuse(ErrorCode code, std::string message, std::string hint = {});
  [[nodiscard]] bool failed() const { return error_.has_value(); }
  /// The finished graph, or the first error.
  Result<TensorGraph> finish() &&;

 private:
  TensorId append(GraphTensor tensor);
  GraphTensor& mutable_at(TensorId id) { return graph_.tensors[static_cast<std::size_t>(id)]; }
  TensorId same_shape(Operation operation, TensorId a, TensorId b = no_tensor, TensorId c = no_tensor);
  TensorId element_wise(Operation operation, TensorId a, TensorId b);
  TensorId show(Operation operation, TensorId of, Dimensions dimensions, std::array<std::int64_t, 4> strides,
                std::initializer_list<TensorId> sources);
  void visit(TensorId id);
  /// False, and an error, where a shape rule is broken.
  bool require(bool condition, std::string_view what, TensorId a, TensorId b);

  TensorGraph graph_;
  std::int16_t layer_ = -1;
  std::vector<char> visited_;
  std::optional<Error> error_;
};

}  // namespace llmsize
