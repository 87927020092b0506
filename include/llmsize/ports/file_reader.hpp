#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "llmsize/core/result.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

/// A file opened read-only for access by offset.
class RandomAccessFile {
 public:
  virtual ~RandomAccessFile() = default;
  [[nodiscard]] virtual Bytes size() const = 0;
  /// Reads up to `length` bytes at `offset` into `into`; fewer only at the end of the file.
  virtual Result<std::size_t> read_at(std::int64_t offset, char* into, std::size_t length) = 0;
};

/// What llmsize reads from the file system. Tests replace it by an in-memory tree; `--root` by a folder.
class FileReader {
 public:
  virtual ~FileReader() = default;
  /// The whole file, at most `limit` bytes (a longer one is an error). For sysfs, /proc and JSON.
  virtual Result<std::string> read_text(const std::string& path, Bytes limit = mebibytes(16)) const = 0;
  /// Names in a folder, sorted, without "." and "..".
  virtual Result<std::vector<std::string>> list(const std::string& folder) const = 0;
  /// The target of a symbolic link, as written.
  virtual Result<std::string> read_link(const std::string& path) const = 0;
  [[nodiscard]] virtual bool exists(const std::string& path) const = 0;
  [[nodiscard]] virtual bool is_folder(const std::string& path) const = 0;
  virtual Result<std::unique_ptr<RandomAccessFile>> open(const std::string& path) const = 0;
};

}  // namespace llmsize
