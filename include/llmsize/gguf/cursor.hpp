#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "llmsize/ports/file_reader.hpp"

namespace llmsize::gguf {

/// Walks a file's header front to back through one fixed buffer, in either byte order.
///
/// The first thing that goes wrong is remembered and every later read gives zeros without moving, so callers
/// check `failed()` once per record instead of once per field. Nothing beyond the header limit is read.
class Cursor {
 public:
  Cursor(RandomAccessFile& file, std::string path);

  [[nodiscard]] std::int64_t position() const { return buffer_start_ + static_cast<std::int64_t>(at_); }
  [[nodiscard]] std::int64_t file_size() const { return file_size_; }
  [[nodiscard]] std::int64_t remaining() const { return file_size_ - position(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  void swap_bytes(bool swap) { swap_ = swap; }
  /// Names the part being read, for messages: "the metadata".
  void enter(std::string_view section) { section_ = section; }

  [[nodiscard]] bool failed() const { return error_.has_value(); }
  [[nodiscard]] const Error& error() const { return *error_; }
  /// Remembers `error` unless an earlier one stands.
  void set_error(Error error);
  /// Fails with "cut short", saying how many bytes the present section needs.
  void set_cut_short(std::int64_t needed);

  /// The next number; 0 after a failure.
  template <class T>
  T number() {
    static_assert(std::is_arithmetic_v<T>);
    std::array<char, sizeof(T)> bytes{};
    if (!require(sizeof(T))) return T{};
    std::memcpy(bytes.data(), buffer_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    if (swap_) std::reverse(bytes.begin(), bytes.end());
    T value{};
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  /// A 64-bit count or length. Fails where it is above `limit`, naming `what`.
  std::int64_t count(std::string_view what, std::int64_t limit);
  /// The next `length` bytes as text; checks against the file before it allocates.
  std::string text(std::int64_t length);
  void skip(std::int64_t length);
  /// Passes over `count` length-prefixed strings without keeping any.
  void skip_strings(std::int64_t count);

 private:
  /// Makes `length` bytes available at `at_`; at most the buffer's size.
  bool require(std::size_t length);
  bool refill(std::size_t length);

  RandomAccessFile& file_;
  std::string path_;
  std::string section_ = "the header";
  std::int64_t file_size_;
  std::int64_t buffer_start_ = 0;
  std::size_t at_ = 0;
  std::vector<char> buffer_;
  std::size_t filled_ = 0;
  bool swap_ = false;
  std::optional<Error> error_;
};

}  // namespace llmsize::gguf
