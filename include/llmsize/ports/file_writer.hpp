#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "llmsize/core/result.hpp"

namespace llmsize {

/// A file of a folder that is written as one.
struct FolderFile {
  std::string name;  ///< May have folders of its own before it: "class/serve.sh".
  std::string content;
  bool executable = false;
};

/// Writes output files whole or not at all.
class FileWriter {
 public:
  virtual ~FileWriter() = default;
  /// Writes to a temporary file in the same folder, syncs it and renames it over `path`; on any failure
  /// nothing is left.
  virtual Result<void> write_whole(const std::string& path, std::string_view content) const = 0;
  /// Makes the folder `path` with exactly these files: they are written beside it and renamed together, so
  /// that it exists whole or not at all. Errors: a folder that holds anything already.
  virtual Result<void> write_folder(const std::string& path, const std::vector<FolderFile>& files) const = 0;
  /// Makes a folder and those above it; one that exists is no error.
  virtual Result<void> make_folders(const std::string& path) const = 0;
};

}  // namespace llmsize
