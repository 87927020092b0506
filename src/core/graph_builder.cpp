#include "llmsize/core/graph_builder.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace llmsize {
namespace {

// Room for a common model's graph, so that growing does not dominate: 64 layers of about 80 tensors.
constexpr std::size_t usual_tensor_count = 6000;

std::array<std::int64_t, 4> contiguous_strides(const TensorType& type, const Dimensions& dimensions) {
  const auto layout = type.layout();
  std::array<std::int64_t, 4> strides{};
  strides[0] = layout.bytes;
  strides[1] = saturating_multiply(layout.bytes, dimensions[0] / layout.elements);
  strides[2] = saturating_multiply(strides[1], dimensions[1]);
  strides[3] = saturating_multiply(strides[2], dimensions[2]);
  return strides;
}

/// ggml's nbytes: from the first to the last element, as the strides reach.
std::int64_t spanned_bytes(const GraphTensor& tensor) {
  for (const auto dimension : tensor.dimensions)
    if (dimension <= 0) return 0;
  const auto layout = tensor.type.layout();
  Bytes size = layout.elements == 1
                   ? Bytes(layout.bytes) + Bytes(tensor.strides[0]) * (tensor.dimensions[0] - 1)
                   : Bytes(saturating_multiply(tensor.dimensions[0], tensor.strides[0]) / layout.elements);
  for (std::size_t axis = 1; axis < 4; ++axis)
    size += Bytes(saturating_multiply(tensor.strides[axis], tensor.dimensions[axis] - 1));
  return size.value();
}

std::int64_t product(const Dimensions& dimensions) {
  std::int64_t elements = 1;
  for (const auto dimension : dimensions) elements = saturating_multiply(elements, dimension);
  return elements;
}

std::string shape_text(const GraphTensor& tensor) {
  return fmt::format("{}[{}, {}, {}, {}]", tensor.name, tensor.dimensions[0], tensor.dimensions[1],
                     tensor.dimensions[2], tensor.dimensions[3]);
}

}  // namespace

GraphBuilder::GraphBuilder() {
  graph_.tensors.reserve(usual_tensor_count);
  graph_.nodes.reserve(usual_tensor_count);
}

TensorId GraphBuilder::append(GraphTensor tensor) {
  tensor.size = spanned_bytes(tensor);
  tensor.layer = layer_;
  graph_.tensors.push_back(tensor);
  return static_cast<TensorId>(graph_.tensors.size() - 1);
}

void GraphBuilder::refuse(ErrorCode code, std::string message, std::string hint) {
  if (!error_) error_ = Error{code, std::move(message), std::move(hint)};
}

bool GraphBuilder::require(bool condition, std::string_view what, TensorId a, TensorId b) {
  if (condition) return true;
  refuse(
      ErrorCode::malformed,
      fmt::format("tensors do not fit together: {} of {} and {}", what, shape_text(at(a)), shape_text(at(b))),
      "The tensor table and the hyperparameters contradict each other.");
  return false;
}

TensorId GraphBuilder::input(std::string_view name, TensorType type, Dimensions dimensions) {
  const TensorId id = external(name, type, dimensions);
  mutable_at(id).elsewhere = false;
  mutable_at(id).input = true;
  return id;
}

TensorId GraphBuilder::external(std::string_view name, TensorType type, Dimensions dimensions) {
  GraphTensor tensor;
  tensor.name = name;
  tensor.type = type;
  tensor.dimensions = dimensions;
  tensor.strides = contiguous_strides(type, dimensions);
  tensor.elsewhere = true;
  return append(tensor);
}

TensorId GraphBuilder::node(Operation operation, TensorType type, Dimensions dimensions,
                            std::initializer_list<TensorId> sources) {
  GraphTensor tensor;
  tensor.operation = operation;
  tensor.type = type;
  tensor.dimensions = dimensions;
  tensor.strides = contiguous_strides(type, dimensions);
  std::size_t count = 0;
  for (const TensorId source : sources)
    if (source != no_tensor && count < max_sources) tensor.sources[count++] = source;
  return append(tensor);
}

TensorId GraphBuilder::show(Operation operation, TensorId of, Dimensions dimensions,
                            std::array<std::int64_t, 4> strides, std::initializer_list<TensorId> sources) {
  const TensorId id = node(operation, at(of).type, dimensions, sources);
  auto& tensor = mutable_at(id);
  const auto& origin = at(of);
  tensor.strides = strides;
  tensor.size = spanned_bytes(tensor);
  tensor.view_origin = origin.view_origin != no_tensor ? origin.view_origin : of;
  tensor.elsewhere = at(tensor.view_origin).elsewhere;
  return id;
}

TensorId GraphBuilder::same_shape(Operation operation, TensorId a, TensorId b, TensorId c) {
  return node(operation, at(a).type, at(a).dimensions, {a, b, c});
}

TensorId GraphBuilder::element_wise(Operation operation, TensorId a, TensorId b) {
  for (std::size_t axis = 0; axis < 4; ++axis)
    if (!require(dimension(b, axis) > 0 && dimension(a, axis) % dimension(b, axis) == 0,
                 operation_name(operation), a, b))
      return a;
  return same_shape(operation, a, b);
}

TensorId GraphBuilder::add(TensorId a, TensorId b) {
  return element_wise(Operation::add, a, b);
}
TensorId GraphBuilder::sub(TensorId a, TensorId b) {
  return element_wise(Operation::sub, a, b);
}
TensorId GraphBuilder::mul(TensorId a, TensorId b) {
  return element_wise(Operation::mul, a, b);
}
TensorId GraphBuilder::div(TensorId a, TensorId b) {
  return element_wise(Operation::div, a, b);
}
TensorId GraphBuilder::add_id(TensorId a, TensorId b, TensorId ids) {
  if (!require(dimension(a, 0) == dimension(b, 0), "ADD_ID", a, b)) return a;
  return same_shape(Operation::add_id, a, b, ids);
}
TensorId GraphBuilder::rope(TensorId a, TensorId positions, TensorId factors) {
  return same_shape(Operation::rope, a, positions, factors);
}
TensorId GraphBuilder::rope_back(TensorId a, TensorId positions, TensorId factors) {
  return same_shape(Operation::rope_back, a, positions, factors);
}
TensorId GraphBuilder::soft_max(TensorId a, TensorId mask, TensorId sinks) {
  return same_shape(Operation::soft_max, a, mask, sinks);
}

TensorId GraphBuilder::gated(TensorId gate, TensorId up) {
  if (!require(at(gate).dimensions == at(up).dimensions, "GLU", gate, up)) return gate;
  return same_shape(Operation::glu, gate, up);
}

TensorId GraphBuilder::gated_halves(TensorId gate_and_up) {
  Dimensions dimensions = at(gate_and_up).dimensions;
  dimensions[0] /= 2;
  return node(Operation::glu, at(gate_and_up).type, dimensions, {gate_and_up});
}

TensorId GraphBuilder::get_rows(TensorId a, TensorId ids) {
  const TensorType type = at(a).type == tensor_type::i32 ? tensor_type::i32 : tensor_type::f32;
  return node(Operation::get_rows, type,
              {dimension(a, 0), dimension(ids, 0), dimension(ids, 1), dimension(ids, 2)}, {a, ids});
}

TensorId GraphBuilder::mul_mat(TensorId a, TensorId b) {
  const bool fits = dimension(a, 0) == dimension(b, 0) && dimension(a, 2) > 0 && dimension(a, 3) > 0 &&
                    dimension(b, 2) % dimension(a, 2) == 0 && dimension(b, 3) % dimension(a, 3) == 0;
  if (!require(fits, "MUL_MAT", a, b)) return b;
  return node(Operation::mul_mat, tensor_type::f32,
              {dimension(a, 1), dimension(b, 1), dimension(b, 2), dimension(b, 3)}, {a, b});
}

TensorId GraphBuilder::mul_mat_id(TensorId a, TensorId b, TensorId ids) {
  if (!require(dimension(a, 0) == dimension(b, 0), "MUL_MAT_ID", a, b)) return b;
  return node(Operation::mul_mat_id, tensor_type::f32,
              {dimension(a, 1), dimension(ids, 0), dimension(b, 2), 1}, {a, b, ids});
}

TensorId GraphBuilder::flash_attention(TensorId q, TensorId k, TensorId v, TensorId mask, TensorId sinks) {
  if (!require(dimension(q, 0) == dimension(k, 0), "FLASH_ATTN_EXT", q, k)) return q;
  return node(Operation::flash_attn_ext, tensor_type::f32,
              {dimension(v, 0), dimension(q, 2), dimension(q, 1), dimension(q, 3)}, {q, k, v, mask, sinks});
}

TensorId GraphBuilder::sum_rows(TensorId a) {
  Dimensions dimensions = at(a).dimensions;
  dimensions[0] = 1;
  return node(Operation::sum_rows, at(a).type, dimensions, {a});
}

TensorId GraphBuilder::argsort(TensorId a) {
  return node(Operation::argsort, tensor_type::i32, at(a).dimensions, {a});
}

TensorId GraphBuilder::argsort_top_k(TensorId a, std::int64_t count) {
  const TensorId sorted = argsort(a);
  if (!require(count <= dimension(a, 0), "top k", a, a)) return sorted;
  const auto dimensions = at(sorted).dimensions;
  return view(sorted, {count, dimensions[1], dimensions[2], dimensions[3]},
              {stride(sorted, 1), stride(sorted, 2), stride(sorted, 3)});
}

TensorId GraphBuilder::top_k(TensorId a, std::int64_t count) {
  Dimensions dimensions = at(a).dimensions;
  dimensions[0] = count;
  return node(Operation::top_k, tensor_type::i32, dimensions, {a});
}

TensorId GraphBuilder::concat(TensorId a, TensorId b, int axis) {
  Dimensions dimensions = at(a).dimensions;
  for (std::size_t i = 0; i < 4; ++i)
    if (static_cast<int>(i) != axis && !require(dimensions[i] == dimension(b, i), "CONCAT", a, b)) return a;
  auto& joined = dimensions[static_cast<std::size_t>(axis)];
  joined = (Bytes(joined) + Bytes(dimension(b, static_cast<std::size_t>(axis)))).value();
  return node(Operation::concat, at(a).type, dimensions, {a, b});
}

TensorId GraphBuilder::repeat(TensorId a, Dimensions dimensions) {
  return node(Operation::repeat, at(a).type, dimensions, {a});
}

TensorId GraphBuilder::pad(TensorId a, Dimensions extra) {
  Dimensions dimensions = at(a).dimensions;
  for (std::size_t axis = 0; axis < 4; ++axis)
    dimensions[axis] = (Bytes(dimensions[axis]) + Bytes(extra[axis])).value();
  return node(Operation::pad, at(a).type, dimensions, {a});
}

TensorId GraphBuilder::cont(TensorId a) {
  return same_shape(Operation::cont, a);
}

TensorId GraphBuilder::cont(TensorId a, Dimensions dimensions) {
  if (!require(product(dimensions) == elements(a), "CONT", a, a)) return a;
  return node(Operation::cont, at(a).type, dimensions, {a});
}

TensorId GraphBuilder::cast(TensorId a, TensorType type) {
  const TensorId id = node(Operation::cpy, type, at(a).dimensions, {a});
  mutable_at(id).sources[1] = id;  // ggml names the result as its own destination.
  return id;
}

TensorId GraphBuilder::add_in_place(TensorId a, TensorId b) {
  return show(Operation::add, a, at(a).dimensions, at(a).strides, {a, b});
}

TensorId GraphBuilder::scale_in_place(TensorId a) {
  return show(Operation::scale, a, at(a).dimensions, at(a).strides, {a});
}

TensorId GraphBuilder::cpy(TensorId a, TensorId b) {
  if (!require(elements(a) == elements(b), "CPY", a, b)) return b;
  return show(Operation::cpy, b, at(b).dimensions, at(b).strides, {a, b});
}

TensorId GraphBuilder::set_rows(TensorId a, TensorId b, TensorId ids) {
  if (!require(dimension(a, 0) == dimension(b, 0), "SET_ROWS", a, b)) return a;
  return show(Operation::set_rows, a, at(a).dimensions, at(a).strides, {b, ids, a});
}

TensorId GraphBuilder::view(TensorId a, Dimensions dimensions, std::array<std::int64_t, 3> strides) {
  return show(Operation::view, a, dimensions, {at(a).type.layout().bytes, strides[0], strides[1], strides[2]},
              {a});
}

TensorId GraphBuilder::view_2d(TensorId a, std::int64_t d0, std::int64_t d1, std::int64_t stride1) {
  const std::int64_t whole = saturating_multiply(stride1, d1);
  return view(a, {d0, d1, 1, 1}, {stride1, whole, whole});
}

TensorId GraphBuilder::view_3d(TensorId a, std::int64_t d0, std::int64_t d1, std::int64_t d2,
                               std::int64_t stride1, std::int64_t stride2) {
  return view(a, {d0, d1, d2, 1}, {stride1, stride2, saturating_multiply(stride2, d2)});
}

TensorId GraphBuilder::reshape(TensorId a, Dimensions dimensions) {
  if (!require(product(dimensions) == elements(a), "RESHAPE", a, a)) return a;
  return show(Operation::reshape, a, dimensions, contiguous_strides(at(a).type, dimensions), {a});
}

TensorId GraphBuilder::permute(TensorId a, std::array<std::size_t, 4> axes) {
  Dimensions dimensions{};
  std::array<std::int64_t, 4> strides{};
  for (std::size_t axis = 0; axis < 4; ++axis) {
    dimensions[axes[axis]] = dimension(a, axis);
    strides[axes[axis]] = stride(a, axis);
  }
  return show(Operation::permute, a, dimensions, strides, {a});
}

TensorId GraphBuilder::transpose(TensorId a) {
  Dimensions dimensions = at(a).dimensions;
  auto strides = at(a).strides;
  std::swap(dimensions[0], dimensions[1]);
  std::swap(strides[0], strides[1]);
  return show(Operation::transpose, a, dimensions, strides, {a});
}

bool GraphBuilder::is_contiguous(TensorId id) const {
  return at(id).strides == contiguous_strides(at(id).type, at(id).dimensions);
}

std::int64_t GraphBuilder::elements(TensorId id) const {
  return product(at(id).dimensions);
}

TensorId GraphBuilder::output(TensorId id) {
  mutable_at(id).output = true;
  return id;
}

TensorId GraphBuilder::with_role(TensorId id, Role role) {
  mutable_at(id).role = role;
  return id;
}

void GraphBuilder::visit(TensorId id) {
  auto& visited = visited_[static_cast<std::size_t>(id)];
  if (visited != 0) return;
  visited = 1;
  for (const TensorId source : at(id).sources) {
    if (source == no_tensor) break;
    visit(source);
  }
  auto& list = at(id).operation == Operation::none ? graph_.leafs : graph_.nodes;
  list.push_back(id);
}

void GraphBuilder::expand(TensorId root) {
  visited_.resize(graph_.tensors.size(), 0);
  visit(root);
}

Result<TensorGraph> GraphBuilder::finish() && {
  if (error_) return tl::unexpected(*std::move(error_));
  return std::move(graph_);
}

}  // namespace llmsize
