#include "llmsize/core/graph_allocator.hpp"

#include <algorithm>
#include <utility>

namespace llmsize {
namespace {

struct OperationTraits {
  Operation operation;
  std::string_view name;
  bool in_place;
};

// Names and the in-place property are ggml's (ggml_op_name, ggml_op_can_inplace).
constexpr OperationTraits operation_traits[] = {
    {Operation::none, "NONE", false},
    {Operation::add, "ADD", true},
    {Operation::add_id, "ADD_ID", true},
    {Operation::argsort, "ARGSORT", false},
    {Operation::clamp, "CLAMP", true},
    {Operation::concat, "CONCAT", false},
    {Operation::cont, "CONT", false},
    {Operation::cpy, "CPY", false},
    {Operation::div, "DIV", true},
    {Operation::dsv4_hc_comb, "DSV4_HC_COMB", false},
    {Operation::dsv4_hc_post, "DSV4_HC_POST", false},
    {Operation::dsv4_hc_pre, "DSV4_HC_PRE", false},
    {Operation::fill, "FILL", true},
    {Operation::flash_attn_ext, "FLASH_ATTN_EXT", false},
    {Operation::gated_delta_net, "GATED_DELTA_NET", false},
    {Operation::get_rows, "GET_ROWS", false},
    {Operation::glu, "GLU", false},
    {Operation::group_norm, "GROUP_NORM", false},
    {Operation::im2col, "IM2COL", false},
    {Operation::l2_norm, "L2_NORM", false},
    {Operation::lightning_indexer, "LIGHTNING_INDEXER", false},
    {Operation::log, "LOG", true},
    {Operation::mul, "MUL", true},
    {Operation::mul_mat, "MUL_MAT", false},
    {Operation::mul_mat_id, "MUL_MAT_ID", false},
    {Operation::norm, "NORM", false},
    {Operation::pad, "PAD", false},
    {Operation::permute, "PERMUTE", false},
    {Operation::pool_2d, "POOL_2D", false},
    {Operation::repeat, "REPEAT", false},
    {Operation::reshape, "RESHAPE", false},
    {Operation::rms_norm, "RMS_NORM", true},
    {Operation::rope, "ROPE", true},
    {Operation::rope_back, "ROPE_BACK", true},
    {Operation::rwkv_wkv6, "RWKV_WKV6", false},
    {Operation::rwkv_wkv7, "RWKV_WKV7", false},
    {Operation::scale, "SCALE", true},
    {Operation::set_rows, "SET_ROWS", false},
    {Operation::soft_max, "SOFT_MAX", true},
    {Operation::sqr, "SQR", true},
    {Operation::sqrt, "SQRT", true},
    {Operation::ssm_conv, "SSM_CONV", false},
    {Operation::ssm_scan, "SSM_SCAN", false},
    {Operation::sub, "SUB", true},
    {Operation::sum_rows, "SUM_ROWS", false},
    {Operation::top_k, "TOP_K", false},
    {Operation::transpose, "TRANSPOSE", false},
    {Operation::tri, "TRI", false},
    {Operation::unary, "UNARY", true},
    {Operation::view, "VIEW", false},
    {Operation::cumsum, "CUMSUM", false},
    {Operation::diag, "DIAG", false},
    {Operation::solve_tri, "SOLVE_TRI", false},
    {Operation::set, "SET", false},
    {Operation::mean, "MEAN", false},
};

constexpr bool traits_are_in_enum_order() {
  std::size_t expected = 0;
  for (const auto& traits : operation_traits)
    if (static_cast<std::size_t>(traits.operation) != expected++) return false;
  return true;
}
static_assert(traits_are_in_enum_order());

/// The engine's best-fit allocator over one address space without end.
class AddressSpace {
 public:
  explicit AddressSpace(std::int64_t alignment) : alignment_(alignment) { free_.push_back({0, endless}); }

  /// `size` bytes from the smallest free block that holds them (the later of two equal ones), else from the
  /// endless block behind everything.
  std::int64_t allocate(std::int64_t size) {
    std::size_t best = free_.size() - 1;
    std::int64_t best_size = endless;
    for (std::size_t i = 0; i + 1 < free_.size(); ++i) {
      if (free_[i].size < size || free_[i].size > best_size) continue;
      best = i;
      best_size = free_[i].size;
    }
    auto& block = free_[best];
    const std::int64_t offset = block.offset;
    block.offset += size;
    block.size -= size;
    if (block.size == 0 && best + 1 < free_.size())
      free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(best));
    highest_ = std::max(highest_, offset + size);
    return offset;
  }

  /// Joins the first free block that touches the freed one, and then that block's neighbour on the other
  /// side. Tensors of no size are freed, too: the first block that touches may then not be the only one, so
  /// the order of the comparisons is the engine's.
  void release(std::int64_t offset, std::int64_t size) {
    for (auto block = free_.begin(); block != free_.end(); ++block) {
      if (block->end() == offset) {
        block->size += size;
        join_with_next(block);
        return;
      }
      if (block->offset == offset + size) {
        block->offset = offset;
        block->size += size;
        if (block != free_.begin()) join_with_next(std::prev(block));
        return;
      }
    }
    const auto next =
        std::find_if(free_.begin(), free_.end(), [&](const Block& b) { return b.offset >= offset; });
    free_.insert(next, {offset, size});
  }

  /// `size` as it is taken from the space; negative where it cannot be represented.
  [[nodiscard]] std::int64_t padded(std::int64_t size) const {
    const Bytes padded_size = align_up(Bytes(size), alignment_);
    return padded_size.value() >= endless ? -1 : padded_size.value();
  }
  [[nodiscard]] std::int64_t highest() const { return highest_; }

 private:
  struct Block {
    std::int64_t offset;
    std::int64_t size;
    [[nodiscard]] std::int64_t end() const { return offset + size; }
  };
  void join_with_next(std::vector<Block>::iterator block) {
    const auto next = std::next(block);
    if (next == free_.end() || block->end() != next->offset) return;
    block->size += next->size;
    free_.erase(next);
  }

  // Far above any size, and far enough below the end of the type that sums cannot overflow.
  static constexpr std::int64_t endless = std::int64_t{1} << 60;

  std::int64_t alignment_;
  std::vector<Block> free_;  // By offset; the last one is endless.
  std::int64_t highest_ = 0;
};

/// One walk over a graph: who still needs each tensor, and where each one lives.
class Walk {
 public:
  /// `devices` may be empty: all tensors are on one device.
  Walk(const TensorGraph& graph, const std::vector<std::int8_t>& devices, int device_count,
       const std::vector<std::int64_t>& alignments)
      : graph_(graph), devices_(devices), places_(graph.tensors.size()) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(device_count); ++i)
      spaces_.emplace_back(i < alignments.size() ? alignments[i] : usual_alignment);
  }

  std::vector<Reservation> run() {
    for (const TensorId leaf : graph_.leafs) place_anew(leaf);
    for (const TensorId node : graph_.nodes) count_uses(node);
    for (const TensorId node : graph_.nodes) {
      for_each_source(node, [&](TensorId source) { allocate(source); });
      allocate(node);
      for_each_source(node, [&](TensorId source) { drop_use(source); });
    }
    std::vector<Reservation> reservations;
    for (const auto& space : spaces_)
      reservations.push_back({overflow_ ? Bytes(Bytes::highest) : Bytes(space.highest())});
    return reservations;
  }

 private:
  struct Place {
    std::int64_t offset = 0;
    std::int64_t size = 0;
    std::int32_t uses = 0;
    std::int32_t views = 0;
    bool assigned = false;  // Has had a place in this graph, so this graph decides over it.
    bool held = false;      // Holds it still: not released, not handed over.
  };

  template <class Action>
  void for_each_source(TensorId id, Action&& action) const {
    for (const TensorId source : tensor(id).sources) {
      if (source == no_tensor) break;
      action(source);
    }
  }
  [[nodiscard]] const GraphTensor& tensor(TensorId id) const {
    return graph_.tensors[static_cast<std::size_t>(id)];
  }
  AddressSpace& space(TensorId id) {
    return spaces_[devices_.empty() ? 0 : static_cast<std::size_t>(devices_[static_cast<std::size_t>(id)])];
  }
  Place& place(TensorId id) { return places_[static_cast<std::size_t>(id)]; }

  void count_uses(TensorId node) {
    // Views without an operation only hold a tensor until it has been copied to another device.
    const bool shows = tensor(node).view_origin != no_tensor && tensor(node).operation != Operation::none;
    if (shows) ++place(tensor(node).view_origin).views;
    if (tensor(node).input) place_anew(node);
    for_each_source(node, [&](TensorId source) {
      ++place(source).uses;
      if (tensor(source).input) place_anew(source);
    });
  }

  void place_anew(TensorId id) {
    const auto& t = tensor(id);
    auto& p = place(id);
    if (p.assigned || t.elsewhere || t.view_origin != no_tensor) return;
    auto& space = this->space(id);
    const std::int64_t size = space.padded(t.size);
    if (size < 0 || space.highest() > highest_supported) {
      overflow_ = true;
      return;
    }
    p = {space.allocate(size), size, p.uses, p.views, true, true};
  }

  void allocate(TensorId id) {
    const auto& t = tensor(id);
    if (place(id).assigned || t.elsewhere || t.view_origin != no_tensor) return;
    if (may_work_in_place(t.operation) && take_over_from_source(id)) return;
    place_anew(id);
  }

  bool take_over_from_source(TensorId id) {
    for (const TensorId source : tensor(id).sources) {
      if (source == no_tensor) break;
      auto& p = place(source);
      if (!p.held || p.uses != 1 || p.views != 0) continue;
      if (tensor(source).output || !same_layout(tensor(id), tensor(source))) continue;
      auto& mine = place(id);
      mine = {p.offset, p.size, mine.uses, mine.views, true, true};
      p.held = false;
      return true;
    }
    return false;
  }

  static bool same_layout(const GraphTensor& a, const GraphTensor& b) {
    return a.type == b.type && a.dimensions == b.dimensions && a.strides == b.strides;
  }

  void drop_use(TensorId id) {
    auto& p = place(id);
    --p.uses;
    if (p.uses != 0 || p.views != 0) return;
    const TensorId origin = tensor(id).view_origin;
    if (origin == no_tensor) {
      release(id);
      return;
    }
    auto& origin_place = place(origin);
    --origin_place.views;
    if (origin_place.views == 0 && origin_place.uses == 0) release(origin);
  }

  void release(TensorId id) {
    auto& p = place(id);
    if (!p.held || tensor(id).output) return;
    p.held = false;
    space(id).release(p.offset, p.size);
  }

  static constexpr std::int64_t usual_alignment = 32;
  // Beyond this the next tensor could overflow the address space.
  static constexpr std::int64_t highest_supported = std::int64_t{1} << 58;

  const TensorGraph& graph_;
  const std::vector<std::int8_t>& devices_;
  std::vector<AddressSpace> spaces_;
  std::vector<Place> places_;
  bool overflow_ = false;
};

}  // namespace

std::string_view operation_name(Operation operation) {
  return operation_traits[static_cast<std::size_t>(operation)].name;
}

Operation operation_by_name(std::string_view name) {
  for (const auto& traits : operation_traits)
    if (traits.name == name) return traits.operation;
  return Operation::none;
}

bool may_work_in_place(Operation operation) {
  return operation_traits[static_cast<std::size_t>(operation)].in_place;
}

std::string_view role_name(Role role) {
  constexpr std::string_view names[] = {
      "other",  "residual",         "normalized",       "query",     "key",
      "value",  "attention_scores", "attention_output", "projected", "ffn_gate",
      "ffn_up", "ffn_gated",        "ffn_down",         "logits",    "mask",
      "input"};
  return names[static_cast<std::size_t>(role)];
}

Reservation reserve(const TensorGraph& graph, std::int64_t alignment) {
  const std::vector<std::int8_t> one_device;
  return Walk(graph, one_device, 1, {alignment}).run().front();
}

std::vector<Reservation> reserve(const DeviceGraph& graph) {
  return Walk(graph.graph, graph.devices, graph.device_count, graph.alignments).run();
}

}  // namespace llmsize
