#include "llmsize/core/tensor.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace llmsize {

std::int64_t Tensor::rows() const {
  return saturating_multiply(saturating_multiply(dimensions[1], dimensions[2]), dimensions[3]);
}

std::int64_t Tensor::elements() const {
  return saturating_multiply(dimensions[0], rows());
}

int Tensor::rank() const {
  int rank = 4;
  while (rank > 1 && dimensions[static_cast<std::size_t>(rank - 1)] == 1) --rank;
  return rank;
}

Bytes Tensor::size() const {
  return type.row_size(dimensions[0]) * rows();
}

int layer_of(std::string_view tensor_name) {
  constexpr std::string_view prefix = "blk.";
  if (!tensor_name.starts_with(prefix)) return -1;
  int layer = -1;
  const char* end = tensor_name.data() + tensor_name.size();
  const auto parsed = std::from_chars(tensor_name.data() + prefix.size(), end, layer);
  return parsed.ec == std::errc() && parsed.ptr != end && *parsed.ptr == '.' ? layer : -1;
}

TypeTable::TypeTable(std::vector<TensorType> types) : types_(std::move(types)) {}

const TensorType* TypeTable::find(std::string_view name) const {
  const auto same = [&](const TensorType& type) {
    return std::equal(type.name().begin(), type.name().end(), name.begin(), name.end(), [](char a, char b) {
      return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
    });
  };
  const auto found = std::find_if(types_.begin(), types_.end(), same);
  return found == types_.end() ? nullptr : &*found;
}

const TensorType* TypeTable::find(int id) const {
  const auto found =
      std::find_if(types_.begin(), types_.end(), [&](const TensorType& type) { return type.id() == id; });
  return found == types_.end() ? nullptr : &*found;
}

}  // namespace llmsize
