#pragma once
#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "llmsize/ports/file_reader.hpp"

namespace llmsize::test {

/// A file system in memory: paths and contents.
class MemoryFiles final : public FileReader {
 public:
  MemoryFiles() = default;
  MemoryFiles(std::initializer_list<std::pair<const std::string, std::string>> files) : files_(files) {}
  void add(std::string path, std::string content) { files_[std::move(path)] = std::move(content); }

  Result<std::string> read_text(const std::string& path, Bytes limit = mebibytes(16)) const override {
    const auto found = files_.find(path);
    if (found == files_.end()) return fail(ErrorCode::not_found, path + ": no such file");
    if (Bytes(static_cast<std::int64_t>(found->second.size())) > limit)
      return fail(ErrorCode::malformed, path + ": too large");
    return found->second;
  }
  Result<std::vector<std::string>> list(const std::string& folder) const override {
    std::vector<std::string> names;
    for (const auto& [path, content] : files_) {
      if (!path.starts_with(folder + "/")) continue;
      const std::string rest = path.substr(folder.size() + 1);
      const std::string name = rest.substr(0, rest.find('/'));
      if (names.empty() || names.back() != name) names.push_back(name);
    }
    if (names.empty()) return fail(ErrorCode::not_found, folder + ": no such folder");
    return names;
  }
  Result<std::string> read_link(const std::string& path) const override {
    return fail(ErrorCode::not_found, path + ": no such link");
  }
  [[nodiscard]] bool exists(const std::string& path) const override {
    return files_.count(path) != 0 || is_folder(path);
  }
  [[nodiscard]] bool is_folder(const std::string& path) const override { return list(path).has_value(); }
  Result<std::unique_ptr<RandomAccessFile>> open(const std::string& path) const override {
    const auto found = files_.find(path);
    if (found == files_.end()) return fail(ErrorCode::not_found, path + ": no such file");
    return std::make_unique<Opened>(found->second);
  }

 private:
  class Opened final : public RandomAccessFile {
   public:
    explicit Opened(const std::string& content) : content_(content) {}
    [[nodiscard]] Bytes size() const override { return Bytes(static_cast<std::int64_t>(content_.size())); }
    Result<std::size_t> read_at(std::int64_t offset, char* into, std::size_t length) override {
      const auto start = std::min(static_cast<std::size_t>(offset), content_.size());
      const auto count = std::min(length, content_.size() - start);
      std::memcpy(into, content_.data() + start, count);
      return count;
    }

   private:
    const std::string& content_;
  };
  std::map<std::string, std::string> files_;
};

}  // namespace llmsize::test
