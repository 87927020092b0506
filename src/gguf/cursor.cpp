#include "llmsize/gguf/cursor.hpp"

#include <fmt/format.h>

#include "llmsize/core/text.hpp"

namespace llmsize::gguf {
namespace {

constexpr std::size_t buffer_size = 128 * 1024;
/// A vocabulary of 262,144 tokens makes a header of about 16 MB. Without a limit, a sparse file could ask for
/// hours of reading zeros.
constexpr std::int64_t header_limit = 256 * 1024 * 1024;
/// Lengths above this are not truncation but nonsense, and are called so.
constexpr std::int64_t plausible_length = std::int64_t{1} << 48;

}  // namespace

Cursor::Cursor(RandomAccessFile& file, std::string path)
    : file_(file), path_(std::move(path)), file_size_(file.size().value()), buffer_(buffer_size) {}

void Cursor::set_error(Error error) {
  if (failed()) return;
  // Messages quote keys and names out of the file.
  error.message = printable(std::move(error.message));
  error_ = std::move(error);
}

void Cursor::set_cut_short(std::int64_t needed) {
  set_error({ErrorCode::malformed,
             fmt::format("{}: cut short at byte {} ({} needs {})", path_, file_size_, section_, needed),
             "Download it again."});
}

bool Cursor::require(std::size_t length) {
  if (at_ + length <= filled_) return !failed();
  return refill(length);
}

bool Cursor::refill(std::size_t length) {
  if (failed()) return false;
  const std::int64_t here = position(), needed = here + static_cast<std::int64_t>(length);
  if (needed > file_size_) {
    set_cut_short(needed);
    return false;
  }
  if (needed > header_limit) {
    set_error({ErrorCode::unsupported,
               fmt::format("{}: its header is larger than {} MiB", path_, header_limit / (1024 * 1024)),
               "No published model has one this large; check the file."});
    return false;
  }
  const auto got = file_.read_at(here, buffer_.data(), buffer_.size());
  if (!got) {
    set_error(got.error());
    return false;
  }
  buffer_start_ = here;
  at_ = 0;
  filled_ = *got;
  if (filled_ < length) set_cut_short(needed);
  return !failed();
}

std::int64_t Cursor::count(std::string_view what, std::int64_t limit) {
  const auto value = number<std::uint64_t>();
  if (failed() || value <= static_cast<std::uint64_t>(limit)) return static_cast<std::int64_t>(value);
  set_error({ErrorCode::malformed,
             fmt::format("{}: {} at byte {} is {}, more than the {} that can be", path_, what, position() - 8,
                         value, limit),
             "The file is damaged; download it again."});
  return 0;
}

std::string Cursor::text(std::int64_t length) {
  if (length > remaining()) set_cut_short(position() + length);
  if (failed()) return {};
  std::string out;
  out.reserve(static_cast<std::size_t>(std::min(length, static_cast<std::int64_t>(buffer_size))));
  while (length > 0) {
    const auto part = std::min(static_cast<std::size_t>(length), buffer_size);
    if (!require(part)) return {};
    out.append(buffer_.data() + at_, part);
    at_ += part;
    length -= static_cast<std::int64_t>(part);
  }
  return out;
}

void Cursor::skip(std::int64_t length) {
  if (failed()) return;
  if (length > remaining()) return set_cut_short(position() + length);
  const auto buffered = static_cast<std::int64_t>(filled_ - at_);
  if (length <= buffered) {
    at_ += static_cast<std::size_t>(length);
    return;
  }
  buffer_start_ = position() + length;
  at_ = filled_ = 0;
}

void Cursor::skip_strings(std::int64_t count) {
  for (std::int64_t i = 0; i < count && !failed(); ++i)
    skip(this->count("the length of a string", plausible_length));
}

}  // namespace llmsize::gguf
