#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "llmsize/core/units.hpp"

namespace llmsize {

/// How a tensor type stores its elements: `bytes` for every block of `elements` along the first dimension.
struct BlockLayout {
  std::int64_t elements = 1;
  std::int64_t bytes = 4;
  friend bool operator==(const BlockLayout&, const BlockLayout&) = default;
};

/// A ggml tensor type: its number in files, its ggml name ("q4_K") and its layout. A plain value, compared by
/// number.
class TensorType {
 public:
  constexpr TensorType() { assign("f32"); }
  constexpr TensorType(int id, std::string_view name, BlockLayout layout) : id_(id), layout_(layout) {
    assign(name);
  }

  [[nodiscard]] constexpr int id() const { return id_; }
  [[nodiscard]] constexpr std::string_view name() const { return {name_.data(), length_}; }
  [[nodiscard]] constexpr BlockLayout layout() const { return layout_; }
  [[nodiscard]] constexpr bool is_quantized() const { return layout_.elements > 1; }
  [[nodiscard]] double bits_per_weight() const {
    return 8.0 * static_cast<double>(layout_.bytes) / static_cast<double>(layout_.elements);
  }
  /// Whether rows of `width` elements consist of whole blocks.
  [[nodiscard]] constexpr bool divides(std::int64_t width) const { return width % layout_.elements == 0; }
  /// Size of one row of `width` elements, which must be whole blocks.
  [[nodiscard]] constexpr Bytes row_size(std::int64_t width) const {
    return Bytes(layout_.bytes) * (width / layout_.elements);
  }
  friend constexpr bool operator==(const TensorType& a, const TensorType& b) { return a.id_ == b.id_; }

 private:
  constexpr void assign(std::string_view name) {
    length_ = name.size() < name_.size() ? name.size() : name_.size();
    for (std::size_t i = 0; i < length_; ++i) name_[i] = name[i];
  }
  int id_ = 0;
  BlockLayout layout_;
  std::array<char, 12> name_{};
  std::size_t length_ = 0;
};

/// The types that the engine's rules name outright, with their fixed numbers in the GGUF format. All others
/// come from data/quants.json.
namespace tensor_type {
inline constexpr TensorType f32{0, "f32", {1, 4}};
inline constexpr TensorType f16{1, "f16", {1, 2}};
inline constexpr TensorType i32{26, "i32", {1, 4}};
inline constexpr TensorType i64{27, "i64", {1, 8}};
}  // namespace tensor_type

/// One tensor of a model: dimensions in ggml order (the first is contiguous), unused ones 1.
struct Tensor {
  std::string name;
  std::array<std::int64_t, 4> dimensions{1, 1, 1, 1};
  TensorType type;

  /// Number of elements; saturates.
  [[nodiscard]] std::int64_t elements() const;
  /// Rows: the product of all dimensions but the first; saturates.
  [[nodiscard]] std::int64_t rows() const;
  /// Dimensions without trailing ones, at least 1.
  [[nodiscard]] int rank() const;
  /// Size of the data without padding; saturates.
  [[nodiscard]] Bytes size() const;
};

/// The layer number in a name of the form "blk.N.rest"; -1 for tensors outside the layers.
int layer_of(std::string_view tensor_name);

/// All known tensor types, by name and by number.
class TypeTable {
 public:
  TypeTable() = default;
  explicit TypeTable(std::vector<TensorType> types);
  /// Null where there is no such type. Names are ggml's; case is ignored.
  [[nodiscard]] const TensorType* find(std::string_view name) const;
  [[nodiscard]] const TensorType* find(int id) const;
  [[nodiscard]] const std::vector<TensorType>& all() const { return types_; }

 private:
  std::vector<TensorType> types_;
};

}  // namespace llmsize
