#include "llmsize/gguf/header.hpp"

#include <bit>
#include <limits>

#include <fmt/format.h>

namespace llmsize::gguf {
namespace {

constexpr std::string_view magic = "GGUF";
constexpr std::uint32_t oldest_version = 2, newest_version = 3;
/// GGML_MAX_NAME less the terminating zero: the engine refuses longer tensor names.
constexpr std::int64_t longest_tensor_name = 63;
/// Far above any model (the largest published have some thousand tensors and some hundred keys), and low
/// enough that the tables stay small in memory.
constexpr std::int64_t most_keys = 65'536, most_tensors = 262'144;
/// Name length, dimension count, one dimension, type, offset: the least a table entry takes.
constexpr std::int64_t least_entry_size = 8 + 4 + 8 + 4 + 8;

Error damaged(const Cursor& cursor, const std::string& what) {
  return {ErrorCode::malformed, fmt::format("{}: {}", cursor.path(), what),
          "The file is damaged; download it again."};
}

/// Checks magic and version; finds the byte order.
bool read_preamble(Cursor& cursor) {
  const std::string start = cursor.text(std::min<std::int64_t>(4, cursor.file_size()));
  if (cursor.failed()) return false;
  if (start != magic) {
    cursor.set_error({ErrorCode::malformed, fmt::format("{}: not a GGUF file", cursor.path()),
                      "Name a .gguf file, or convert the model with the engine's convert_hf_to_gguf.py."});
    return false;
  }
  auto version = cursor.number<std::uint32_t>();
  // Versions are small, so a zero low half means that the bytes are the other way round.
  const bool swapped = version != 0 && (version & 0xFFFFu) == 0;
  if (swapped) {
    cursor.swap_bytes(true);
    version = __builtin_bswap32(version);
  }
  if (!cursor.failed() && (version < oldest_version || version > newest_version))
    cursor.set_error({ErrorCode::unsupported,
                      fmt::format("{}: GGUF version {} (versions {} and {} are known)", cursor.path(),
                                  version, oldest_version, newest_version),
                      version < oldest_version ? "Convert the model again with a current converter."
                                               : "Use a newer llmsize."});
  return swapped;
}

std::int64_t read_alignment(Cursor& cursor, const Metadata& metadata) {
  constexpr std::int64_t usual = 32, largest = 1 << 20;
  const auto* value = metadata.find("general.alignment");
  if (value == nullptr) return usual;
  const auto* alignment = std::get_if<std::int64_t>(value);
  if (alignment != nullptr && *alignment > 0 && *alignment <= largest &&
      std::has_single_bit(static_cast<std::uint64_t>(*alignment)))
    return *alignment;
  cursor.set_error(damaged(cursor, "general.alignment is not a power of two"));
  return usual;
}

void read_dimensions(Cursor& cursor, Tensor& tensor) {
  const auto rank = cursor.number<std::uint32_t>();
  if (cursor.failed()) return;
  if (rank < 1 || rank > tensor.dimensions.size())
    return cursor.set_error(
        damaged(cursor, fmt::format("tensor {} has {} dimensions; 1 to 4 can be", tensor.name, rank)));
  for (std::size_t i = 0; i < rank; ++i) {
    tensor.dimensions[i] = cursor.count(fmt::format("dimension {} of tensor {}", i, tensor.name),
                                        std::numeric_limits<std::int64_t>::max() - 1);
    if (!cursor.failed() && tensor.dimensions[i] == 0)
      cursor.set_error(damaged(cursor, fmt::format("dimension {} of tensor {} is 0", i, tensor.name)));
  }
}

void read_type(Cursor& cursor, const TypeTable& types, Tensor& tensor) {
  const auto number = cursor.number<std::uint32_t>();
  if (cursor.failed()) return;
  const TensorType* type = number <= 10'000 ? types.find(static_cast<int>(number)) : nullptr;
  if (type == nullptr)
    return cursor.set_error(
        {ErrorCode::unsupported,
         fmt::format("{}: tensor {} has the unknown type number {}", cursor.path(), tensor.name, number),
         "The type was removed from the format, or is newer than this llmsize."});
  tensor.type = *type;
  if (!type->divides(tensor.dimensions[0]))
    return cursor.set_error(
        damaged(cursor, fmt::format("rows of tensor {} ({} elements) are not whole {} blocks", tensor.name,
                                    tensor.dimensions[0], type->name())));
  if (tensor.size().is_saturated())
    cursor.set_error(
        {ErrorCode::overflow,
         fmt::format("{}: the size of tensor {} does not fit 63 bits", cursor.path(), tensor.name),
         "The file is damaged; download it again."});
}

/// One row of the tensor table. Data must lie one after another, padded, as the engine demands.
Tensor read_tensor(Cursor& cursor, const TypeTable& types, Bytes expected_offset) {
  Tensor tensor;
  tensor.name = cursor.text(cursor.count("the length of a tensor name", longest_tensor_name));
  read_dimensions(cursor, tensor);
  read_type(cursor, types, tensor);
  const auto offset = cursor.number<std::uint64_t>();
  if (!cursor.failed() && offset != static_cast<std::uint64_t>(expected_offset.value()))
    cursor.set_error(
        damaged(cursor, fmt::format("the data of tensor {} is at offset {}, but {} follows from the "
                                    "tensors before it",
                                    tensor.name, offset, expected_offset.value())));
  return tensor;
}

Bytes read_tensors(Cursor& cursor, const TypeTable& types, std::int64_t count, Header& header) {
  cursor.enter("the tensor table");
  if (count > cursor.remaining() / least_entry_size)
    cursor.set_cut_short(cursor.position() + count * least_entry_size);
  if (cursor.failed()) return {};
  header.tensors.reserve(static_cast<std::size_t>(count));
  Bytes data;
  for (std::int64_t i = 0; i < count && !cursor.failed(); ++i) {
    header.tensors.push_back(read_tensor(cursor, types, data));
    data += align_up(header.tensors.back().size(), header.alignment);
    if (data.is_saturated())
      cursor.set_error({ErrorCode::overflow,
                        fmt::format("{}: its tensors together do not fit 63 bits", cursor.path()),
                        "The file is damaged; download it again."});
  }
  return data;
}

}  // namespace

Result<Header> read_header(RandomAccessFile& file, const std::string& path, const TypeTable& types) {
  Header header;
  Cursor cursor(file, path);
  header.other_byte_order = read_preamble(cursor);
  const auto tensor_count = cursor.count("the number of tensors", most_tensors);
  const auto key_count = cursor.count("the number of metadata keys", most_keys);
  header.metadata = read_metadata(cursor, key_count);
  header.alignment = read_alignment(cursor, header.metadata);
  const Bytes data = read_tensors(cursor, types, tensor_count, header);
  header.data_offset = align_up(Bytes(cursor.position()), header.alignment);

  // The padding after the last tensor may be missing: the engine reads no further than the data.
  const Bytes last_padding =
      header.tensors.empty()
          ? Bytes()
          : align_up(header.tensors.back().size(), header.alignment) - header.tensors.back().size();
  const Bytes needed = header.data_offset + data - last_padding;
  cursor.enter("the tensor data");
  if (!header.tensors.empty() && needed > Bytes(cursor.file_size())) cursor.set_cut_short(needed.value());
  if (cursor.failed()) return tl::unexpected(cursor.error());
  return header;
}

}  // namespace llmsize::gguf
