#pragma once
#include <optional>
#include <string>

namespace llmsize::gguf {

/// A file name of the form "PREFIX-00002-of-00005.gguf".
struct ShardName {
  std::string prefix;
  int number = 1;  ///< From 1.
  int count = 1;

  [[nodiscard]] std::string path(int other_number) const;
};

/// Absent where the path does not have that form.
std::optional<ShardName> parse_shard_name(const std::string& path);

}  // namespace llmsize::gguf
