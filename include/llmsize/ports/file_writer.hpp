#pragma once
#include <string>
#include <string_view>

#include "llmsize/core/result.hpp"

namespace llmsize {

/// Writes output files whole or not at all.
class FileWriter {
 public:
  virtual ~FileWriter() = default;
  /// Writes to a temporary file in the same folder, syncs it and renames it over `path`; on any failure
  /// nothing is left.
  virtual Result<void> write_whole(const std::string& path, std::string_view content) const = 0;
  /// Makes a folder and those above it; one that exists is no error.
  virtual Result<void> make_folders(const std::string& path) const = 0;
};

}  // namespace llmsize
