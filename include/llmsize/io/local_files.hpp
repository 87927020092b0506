#pragma once
#include <string>

#include "llmsize/ports/file_reader.hpp"
#include "llmsize/ports/file_writer.hpp"

namespace llmsize::io {

/// The real file system, or the part of it below `root` (every path is then taken relative to that folder,
/// and absolute symbolic links are not followed out of it by llmsize itself).
class LocalFiles final : public FileReader {
 public:
  explicit LocalFiles(std::string root = "") : root_(std::move(root)) {}

  Result<std::string> read_text(const std::string& path, Bytes limit = mebibytes(16)) const override;
  Result<std::vector<std::string>> list(const std::string& folder) const override;
  Result<std::string> read_link(const std::string& path) const override;
  [[nodiscard]] bool exists(const std::string& path) const override;
  [[nodiscard]] bool is_folder(const std::string& path) const override;
  Result<std::unique_ptr<RandomAccessFile>> open(const std::string& path) const override;

 private:
  [[nodiscard]] std::string located(const std::string& path) const;
  std::string root_;
};

/// Writes through a temporary file in the target's folder, so that a full disk or a crash leaves nothing
/// half-written.
class LocalWriter final : public FileWriter {
 public:
  Result<void> write_whole(const std::string& path, std::string_view content) const override;
  Result<void> write_folder(const std::string& path, const std::vector<FolderFile>& files) const override;
  Result<void> make_folders(const std::string& path) const override;
};

}  // namespace llmsize::io
