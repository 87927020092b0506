#pragma once
#include <map>
#include <string>

#include "llmsize/ports/file_reader.hpp"

namespace llmsize::probe {

/// "/srv/tree" for "/srv/tree/"; "/" stays.
std::string without_slashes_at_end(std::string path);

/// A recorded tree below `root`, seen as if it were the whole file system. Symbolic links are followed here
/// and not by the kernel, so that an absolute one stays inside and ".." ends at the root: nothing of the
/// running machine leaks into a replay.
class RootedFiles final : public FileReader {
 public:
  RootedFiles(const FileReader& files, std::string root);

  Result<std::string> read_text(const std::string& path, Bytes limit = mebibytes(16)) const override;
  Result<std::vector<std::string>> list(const std::string& folder) const override;
  Result<std::string> read_link(const std::string& path) const override;
  [[nodiscard]] bool exists(const std::string& path) const override;
  [[nodiscard]] bool is_folder(const std::string& path) const override;
  Result<std::unique_ptr<RandomAccessFile>> open(const std::string& path) const override;

 private:
  /// `path` without links, still relative to the root; empty where links loop.
  [[nodiscard]] std::string resolved(const std::string& path, int depth = 0) const;
  [[nodiscard]] std::string located(const std::string& path) const;

  const FileReader& files_;
  std::string root_;
  // Folders repeat for every file in them, so each is resolved once.
  mutable std::map<std::string, std::string> folders_;
};

}  // namespace llmsize::probe
