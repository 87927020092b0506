#pragma once
#include <map>
#include <set>
#include <string>

#include "llmsize/ports/file_reader.hpp"

namespace llmsize::probe {

/// Passes every question on and remembers the answers, so that they can be written as a tree that replays to
/// the same facts. A file is answered as it is recorded: without what is confidential, and the same each time
/// it is read. Paths are recorded without `root`, which they all begin with.
class RecordingFiles final : public FileReader {
 public:
  explicit RecordingFiles(const FileReader& files, std::string root = "", bool keeps_identity = true)
      : files_(files), root_(std::move(root)), keeps_identity_(keeps_identity) {}

  Result<std::string> read_text(const std::string& path, Bytes limit = mebibytes(16)) const override;
  Result<std::vector<std::string>> list(const std::string& folder) const override;
  Result<std::string> read_link(const std::string& path) const override;
  [[nodiscard]] bool exists(const std::string& path) const override;
  [[nodiscard]] bool is_folder(const std::string& path) const override;
  Result<std::unique_ptr<RandomAccessFile>> open(const std::string& path) const override;

  /// Adds a file that no reader has: recorded answers.
  void add(const std::string& path, std::string content) { contents_[root_ + path] = std::move(content); }
  [[nodiscard]] std::size_t count() const { return contents_.size(); }
  /// All that was seen as a tar archive (ustar, with GNU's entries for long names), the same for the same
  /// answers.
  [[nodiscard]] std::string archive() const;

 private:
  const FileReader& files_;
  std::string root_;
  bool keeps_identity_;
  // A reader answers without changing what it reads; what it remembers is its own.
  mutable std::map<std::string, std::string> contents_, links_;
  mutable std::set<std::string> folders_, seen_;
};

}  // namespace llmsize::probe
