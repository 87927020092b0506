#include "llmsize/hf/safetensors.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/core/text.hpp"

namespace llmsize::hf {
namespace {

constexpr std::int64_t length_size = 8;
/// The format allows 100 MB; the largest published headers are some MB.
constexpr std::int64_t most_header_bytes = std::int64_t{32} << 20;
constexpr std::size_t most_tensors = 500'000;
constexpr std::size_t most_dimensions = 16;

tl::unexpected<Error> damaged(const std::string& path, const std::string& what) {
  return fail(ErrorCode::malformed, fmt::format("{}: {}", path, what),
              "The file is damaged; download it again.");
}

/// A name out of a file, short and without control characters.
std::string shown(std::string_view name) {
  return printable(std::string(name.substr(0, 80)));
}

struct DtypeBits {
  std::string_view name;
  std::int64_t bits;
};
/// Source: safetensors, Dtype.
constexpr DtypeBits dtype_bits[] = {{"BOOL", 8}, {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
                                    {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I16", 16},
                                    {"U16", 16}, {"F16", 16},    {"BF16", 16},   {"I32", 32},    {"U32", 32},
                                    {"F32", 32}, {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64}};

std::int64_t elements(const PublishedTensor& tensor) {
  ParamCount count(1);
  for (const auto dimension : tensor.shape) count = count * dimension;
  return count.value();
}

/// Takes the header's JSON apart as it is read: no document is built, nothing nests deeper than the format
/// says, and names that come twice are seen. The first complaint ends the reading.
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::vector<PublishedTensor> tensors;
  std::int64_t end_of_data = 0;
  std::string complaint;

  bool null() override { return value("null"); }
  bool boolean(bool) override { return value("a truth value"); }
  bool number_integer(number_integer_t) override { return value("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return value("a fraction"); }
  bool binary(binary_t&) override { return value("binary data"); }
  bool number_unsigned(number_unsigned_t number) override {
    if (in_metadata_) return true;
    if (depth_ != list_depth) return complain("a number where none belongs");
    if (number > static_cast<std::uint64_t>(Bytes::highest) - 1) return complain("a number beyond 63 bits");
    auto& list = field_ == "shape" ? tensors.back().shape : offsets_;
    if (list.size() >= most_dimensions) return complain("too long a list");
    list.push_back(static_cast<std::int64_t>(number));
    return true;
  }
  bool string(string_t& text) override {
    if (in_metadata_) return true;
    if (depth_ != tensor_depth || field_ != "dtype") return complain("a text where none belongs");
    tensors.back().dtype = text;
    return true;
  }
  bool start_object(std::size_t) override {
    if (++depth_ > tensor_depth || in_metadata_) return complain("objects in objects");
    if (depth_ != tensor_depth) return true;
    in_metadata_ = name_ == "__metadata__";
    if (in_metadata_) return true;
    if (tensors.size() >= most_tensors) return complain("too many tensors");
    tensors.push_back({name_, "", {}, Bytes()});
    offsets_.clear();
    fields_.clear();
    return true;
  }
  bool end_object() override {
    if (depth_-- != tensor_depth) return true;
    if (in_metadata_) {
      in_metadata_ = false;
      return true;
    }
    return finish(tensors.back());
  }
  bool start_array(std::size_t) override {
    const bool list =
        depth_ == tensor_depth && !in_metadata_ && (field_ == "shape" || field_ == "data_offsets");
    ++depth_;
    return list || complain("a list where none belongs");
  }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool key(string_t& text) override {
    if (in_metadata_) return true;
    if (depth_ == tensor_depth) {
      field_ = text;
      return fields_.insert(text).second || complain(fmt::format("\"{}\" twice in one tensor", shown(text)));
    }
    name_ = text;
    return names_.insert(text).second || complain(fmt::format("two tensors named \"{}\"", shown(text)));
  }
  bool parse_error(std::size_t at, const std::string&, const nlohmann::detail::exception&) override {
    return complain(fmt::format("bad JSON at byte {}", at + static_cast<std::size_t>(length_size)));
  }

 private:
  /// Depths of nesting: the object of all, one tensor's, a list in it.
  static constexpr int tensor_depth = 2, list_depth = 3;

  bool complain(std::string text) {
    if (complaint.empty()) complaint = std::move(text);
    return false;
  }
  bool value(const char* what) {
    return in_metadata_ || complain(fmt::format("{} where none belongs", what));
  }
  bool finish(PublishedTensor& tensor) {
    if (tensor.dtype.empty() || offsets_.size() != 2 || fields_.count("shape") == 0)
      return complain(fmt::format("tensor \"{}\" lacks dtype, shape or data_offsets", shown(tensor.name)));
    tensor.size = Bytes(offsets_[1] - offsets_[0]);
    const auto* known = std::find_if(std::begin(dtype_bits), std::end(dtype_bits),
                                     [&](const auto& row) { return row.name == tensor.dtype; });
    const Bytes bits = Bytes(elements(tensor)) * (known == std::end(dtype_bits) ? 1 : known->bits);
    const bool agrees = known == std::end(dtype_bits) ||
                        (!bits.is_saturated() && (bits.value() + 7) / 8 == tensor.size.value());
    if (tensor.size < Bytes() || bits.is_saturated() || !agrees)
      return complain(fmt::format("tensor \"{}\" has {} bytes, which its shape and type contradict",
                                  shown(tensor.name), tensor.size.value()));
    end_of_data = std::max(end_of_data, offsets_[1]);
    return true;
  }

  int depth_ = 0;
  bool in_metadata_ = false;
  std::string name_, field_;
  std::vector<std::int64_t> offsets_;
  std::set<std::string> fields_;
  std::unordered_set<std::string> names_;
};

Result<std::int64_t> header_length(RandomAccessFile& file, const std::string& path) {
  std::array<char, length_size> bytes{};
  const auto got = file.read_at(0, bytes.data(), bytes.size());
  if (!got) return tl::unexpected(got.error());
  if (*got < bytes.size()) return damaged(path, "too short for a safetensors file");
  std::uint64_t length = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) length = length << 8U | static_cast<unsigned char>(bytes[i]);
  const auto room = static_cast<std::uint64_t>(file.size().value() - length_size);
  if (length > static_cast<std::uint64_t>(most_header_bytes))
    return damaged(path, fmt::format("its header says it has {} bytes, more than the {} that can be", length,
                                     most_header_bytes));
  if (length > room)
    return damaged(path, fmt::format("cut short at byte {} (the header needs {})", file.size().value(),
                                     length + static_cast<std::uint64_t>(length_size)));
  return static_cast<std::int64_t>(length);
}

}  // namespace

Result<std::vector<PublishedTensor>> read_safetensors(RandomAccessFile& file, const std::string& path) {
  const auto length = header_length(file, path);
  if (!length) return tl::unexpected(length.error());
  std::string text(static_cast<std::size_t>(*length), '\0');
  const auto got = file.read_at(length_size, text.data(), text.size());
  if (!got) return tl::unexpected(got.error());
  if (*got < text.size()) return damaged(path, "its header is cut short");
  HeaderReader reader;
  const bool read = nlohmann::json::sax_parse(text, &reader);
  if (!read)
    return damaged(path, "its header has " + (reader.complaint.empty() ? "bad JSON" : reader.complaint));
  const std::int64_t data = file.size().value() - length_size - *length;
  if (reader.end_of_data > data)
    return damaged(
        path, fmt::format("cut short: its tensors need {} bytes, {} are there", reader.end_of_data, data));
  return std::move(reader.tensors);
}

Result<std::set<std::string>> parse_index(std::string_view json, const std::string& path) {
  const auto document = nlohmann::json::parse(json, nullptr, false);
  const auto malformed = [&](const char* what) {
    return fail(ErrorCode::malformed, fmt::format("{}: {}", path, what), "Download the index again.");
  };
  if (!document.is_object()) return malformed("is not a JSON object");
  const auto map = document.find("weight_map");
  if (map == document.end() || !map->is_object() || map->empty()) return malformed("has no \"weight_map\"");
  std::set<std::string> names;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string()) return malformed("\"weight_map\" must give file names");
    const auto& name = file.get_ref<const std::string&>();
    const bool plain =
        !name.empty() && name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
    if (!plain || !name.ends_with(".safetensors"))
      return malformed("\"weight_map\" must give names of .safetensors files");
    names.insert(name);
  }
  return names;
}

}  // namespace llmsize::hf
