#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace llmsize::test {

/// Builds the bytes of a GGUF file for tests, valid or deliberately not.
///
///   const std::string file = GgufBuilder()
///       .text("general.architecture", "llama").number<std::uint32_t>("llama.block_count", 2)
///       .tensor("token_embd.weight", {256, 32}, 1, 256 * 32 * 2)
///       .build();
class GgufBuilder {
 public:
  explicit GgufBuilder(std::uint32_t version = 3, bool big_endian = false)
      : version_(version), big_endian_(big_endian) {}

  GgufBuilder& text(std::string_view key, std::string_view value) {
    begin_pair(key, 8);
    append_text(pairs_, value);
    return *this;
  }
  /// A scalar of the value type that belongs to T.
  template <class T>
  GgufBuilder& number(std::string_view key, T value) {
    begin_pair(key, value_type<T>());
    append(pairs_, value);
    return *this;
  }
  template <class T>
  GgufBuilder& list(std::string_view key, const std::vector<T>& values) {
    begin_pair(key, 9);
    append(pairs_, value_type<T>());
    append(pairs_, static_cast<std::uint64_t>(values.size()));
    for (const T value : values) append(pairs_, value);
    return *this;
  }
  GgufBuilder& texts(std::string_view key, const std::vector<std::string>& values) {
    begin_pair(key, 9);
    append(pairs_, std::uint32_t{8});
    append(pairs_, static_cast<std::uint64_t>(values.size()));
    for (const auto& value : values) append_text(pairs_, value);
    return *this;
  }
  /// A pair whose value is given byte for byte, for damage.
  GgufBuilder& raw_pair(std::string_view key, std::uint32_t type, std::string_view bytes) {
    begin_pair(key, type);
    pairs_ += bytes;
    return *this;
  }
  /// `type` is the ggml number; `size` the bytes of its data. `offset` defaults to where the data belongs.
  GgufBuilder& tensor(std::string_view name, const std::vector<std::uint64_t>& dimensions, std::uint32_t type,
                      std::uint64_t size, std::int64_t offset = -1) {
    ++tensor_count_;
    append_text(table_, name);
    append(table_, static_cast<std::uint32_t>(dimensions.size()));
    for (const auto dimension : dimensions) append(table_, dimension);
    append(table_, type);
    append(table_, offset < 0 ? data_size_ : static_cast<std::uint64_t>(offset));
    data_size_ += (size + alignment_ - 1) / alignment_ * alignment_;
    return *this;
  }
  GgufBuilder& alignment(std::uint32_t alignment) {
    alignment_ = alignment;
    return number<std::uint32_t>("general.alignment", alignment);
  }
  /// States other counts than those added, for damage.
  GgufBuilder& claim(std::uint64_t tensors, std::uint64_t pairs) {
    tensor_count_ = tensors;
    pair_count_ = pairs;
    return *this;
  }

  /// Everything before the tensor data, padded.
  [[nodiscard]] std::string header() const {
    std::string out = "GGUF";
    append(out, version_);
    append(out, tensor_count_);
    append(out, pair_count_);
    out += pairs_ + table_;
    out.resize((out.size() + alignment_ - 1) / alignment_ * alignment_, '\0');
    return out;
  }
  /// The header and zeros for the data.
  [[nodiscard]] std::string build() const {
    std::string out = header();
    out.resize(out.size() + data_size_, '\0');
    return out;
  }

 private:
  template <class T>
  static constexpr std::uint32_t value_type() {
    if constexpr (std::is_same_v<T, std::uint8_t>) return 0;
    if constexpr (std::is_same_v<T, std::int8_t>) return 1;
    if constexpr (std::is_same_v<T, std::uint16_t>) return 2;
    if constexpr (std::is_same_v<T, std::int16_t>) return 3;
    if constexpr (std::is_same_v<T, std::uint32_t>) return 4;
    if constexpr (std::is_same_v<T, std::int32_t>) return 5;
    if constexpr (std::is_same_v<T, float>) return 6;
    if constexpr (std::is_same_v<T, bool>) return 7;
    if constexpr (std::is_same_v<T, std::uint64_t>) return 10;
    if constexpr (std::is_same_v<T, std::int64_t>) return 11;
    if constexpr (std::is_same_v<T, double>) return 12;
  }
  template <class T>
  void append(std::string& to, T value) const {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    if (big_endian_) std::reverse(bytes, bytes + sizeof(T));
    to.append(bytes, sizeof(T));
  }
  void append_text(std::string& to, std::string_view text) const {
    append(to, static_cast<std::uint64_t>(text.size()));
    to += text;
  }
  void begin_pair(std::string_view key, std::uint32_t type) {
    ++pair_count_;
    append_text(pairs_, key);
    append(pairs_, type);
  }

  std::uint32_t version_;
  bool big_endian_;
  std::string pairs_, table_;
  std::uint64_t pair_count_ = 0, tensor_count_ = 0, data_size_ = 0, alignment_ = 32;
};

}  // namespace llmsize::test
