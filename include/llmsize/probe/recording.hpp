#pragma once
#include <map>
#include <set>
#include <string>

#include "llmsize/ports/file_reader.hpp"

namespace llmsize::probe {

/// Passes every question on and remembers the answers, so that they can be written as a tree that replays to
/// the same facts. Environment variables of other programs are cut down to what the probe looks for.
class RecordingFiles final : public FileReader {
 public:
  explicit RecordingFiles(const FileReader& files) : files_(files) {}

  Result<std::string> read_text(const std::string& path, Bytes limit = mebibytes(16)) const override;
  Result<std::vector<std::string>> list(const std::string& folder) const override;
  Result<std::string> read_link(const std::string& path) const override;
  [[nodiscard]] bool exists(const std::string& path) const override;
  [[nodiscard]] bool is_folder(const std::string& path) const override;
  Result<std::unique_ptr<RandomAccessFile>> open(const std::string& path) const override;

  /// Adds a file that no reader has: recorded answers.
  void add(const std::string& path, std::string content) const { contents_[path] = std::move(content); }
  [[nodiscard]] std::size_t count() const { return contents_.size(); }
  /// All that was seen as a tar archive (ustar, with GNU's entries for long names), the same for the same
  /// answers.
  [[nodiscard]] std::string archive() const;

 private:
  const FileReader& files_;
  // A reader answers without changing what it reads; what it remembers is its own.
  mutable std::map<std::string, std::string> contents_, links_;
  mutable std::set<std::string> folders_;
};

}  // namespace llmsize::probe
