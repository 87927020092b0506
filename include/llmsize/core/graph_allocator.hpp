#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "llmsize/core/tensor.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

/// The tensor operations that the engine's prompt graphs consist of, in ggml's vocabulary.
/// `operation_name` gives ggml's spelling.
enum class Operation : std::uint8_t {
  none,  ///< Not computed: a weight, a cache or an input.
  add,
  add_id,
  argsort,
  clamp,
  concat,
  cont,
  cpy,
  div,
  dsv4_hc_comb,
  dsv4_hc_post,
  dsv4_hc_pre,
  fill,
  flash_attn_ext,
  gated_delta_net,
  get_rows,
  glu,
  group_norm,
  im2col,
  l2_norm,
  lightning_indexer,
  log,
  mul,
  mul_mat,
  mul_mat_id,
  norm,
  pad,
  permute,
  pool_2d,
  repeat,
  reshape,
  rms_norm,
  rope,
  rope_back,
  rwkv_wkv6,
  rwkv_wkv7,
  scale,
  set_rows,
  soft_max,
  sqr,
  sqrt,
  ssm_conv,
  ssm_scan,
  sub,
  sum_rows,
  top_k,
  transpose,
  tri,
  unary,
  view,
  cumsum,
  diag,
  solve_tri,
  set,
  mean,
};

/// ggml's name, "MUL_MAT".
std::string_view operation_name(Operation operation);
/// The operation of that name; `none` for names that no recorded graph uses.
Operation operation_by_name(std::string_view name);
/// Whether the engine's allocator lets the result take over the place of a source.
bool may_work_in_place(Operation operation);

/// What a tensor is to the model; parts of the scratch are reported under these names.
enum class Role : std::uint8_t {
  other,
  residual,
  normalized,
  query,
  key,
  value,
  attention_scores,
  attention_output,
  projected,
  ffn_gate,
  ffn_up,
  ffn_gated,
  ffn_down,
  logits,
  mask,
  input
};
/// The name in JSON, "attention_scores".
std::string_view role_name(Role role);

/// Index of a tensor in its graph.
using TensorId = std::int32_t;
inline constexpr TensorId no_tensor = -1;
/// The engine's limit on the sources of one tensor.
inline constexpr std::size_t max_sources = 10;

/// One tensor of a graph: dimensions and byte strides in ggml order.
struct GraphTensor {
  std::array<std::int64_t, 4> dimensions{1, 1, 1, 1};
  std::array<std::int64_t, 4> strides{4, 4, 4, 4};
  std::int64_t size = 0;  ///< Bytes spanned; saturated where it does not fit.
  std::array<TensorId, max_sources> sources{no_tensor, no_tensor, no_tensor, no_tensor, no_tensor,
                                            no_tensor, no_tensor, no_tensor, no_tensor, no_tensor};
  TensorId view_origin = no_tensor;  ///< The tensor whose place this one shows; never itself a view.
  TensorType type;
  Operation operation = Operation::none;
  Role role = Role::other;
  /// The layer it was made for; -1 outside the layers.
  std::int16_t layer = -1;
  bool input = false;      ///< Filled from outside: allocated before any node runs.
  bool output = false;     ///< Read from outside: never released.
  bool elsewhere = false;  ///< A weight or a cache: has its place in another buffer.
  std::string_view name;   ///< For messages and comparison: a literal or the name of a model's tensor.
};

/// A graph in the engine's order of execution.
struct TensorGraph {
  std::vector<GraphTensor> tensors;
  std::vector<TensorId> nodes;  ///< Tensors with an operation, sources before uses.
  std::vector<TensorId> leafs;  ///< Tensors without one, in the order they were met.
};

/// How the places of a graph's tensors were found.
struct Reservation {
  Bytes size;  ///< The highest end of any place: what the engine reserves. Saturated where it does not fit.
};

/// The same graph over several devices: each tensor has its place on one of them.
struct DeviceGraph {
  TensorGraph graph;
  std::vector<std::int8_t> devices;  ///< Per tensor: 0 to device_count - 1.
  int device_count = 1;
  std::vector<std::int64_t> alignments;  ///< Per device; 32 where there are none.
};

/// What each device reserves. Rules and errors as for one device.
std::vector<Reservation> reserve(const DeviceGraph& graph);

/// Runs the engine's graph allocator: best fit over one address space, results in place where allowed.
/// The rules are stated in docs/METHOD.md, "Scratch"; reproduces the engine on all 381 recorded graphs.
Reservation reserve(const TensorGraph& graph, std::int64_t alignment = 32);

}  // namespace llmsize
