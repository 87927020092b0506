#pragma once
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "llmsize/ports/file_reader.hpp"

namespace llmsize::test {

/// One file at every path: a header, then holes up to `size` that nothing may read.
class SparseFiles final : public FileReader {
 public:
  SparseFiles(std::string header, Bytes size) : header_(std::move(header)), size_(size) {}
  Result<std::string> read_text(const std::string& path, Bytes) const override {
    return fail(ErrorCode::unreadable, path);
  }
  Result<std::vector<std::string>> list(const std::string& path) const override {
    return fail(ErrorCode::unreadable, path);
  }
  Result<std::string> read_link(const std::string& path) const override {
    return fail(ErrorCode::unreadable, path);
  }
  [[nodiscard]] bool exists(const std::string&) const override { return true; }
  [[nodiscard]] bool is_folder(const std::string&) const override { return false; }
  Result<std::unique_ptr<RandomAccessFile>> open(const std::string&) const override {
    return std::make_unique<File>(header_, size_);
  }

 private:
  struct File final : RandomAccessFile {
    File(const std::string& header, Bytes size) : header_(header), size_(size) {}
    [[nodiscard]] Bytes size() const override { return size_; }
    Result<std::size_t> read_at(std::int64_t offset, char* into, std::size_t length) override {
      const auto start = std::min(static_cast<std::size_t>(offset), header_.size());
      return header_.copy(into, length, start);
    }
    const std::string& header_;
    Bytes size_;
  };
  std::string header_;
  Bytes size_;
};

}  // namespace llmsize::test
