#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "llmsize/ports/environment.hpp"
#include "llmsize/ports/file_writer.hpp"

namespace llmsize::test {

/// No variable is set.
class NoEnvironment final : public Environment {
 public:
  [[nodiscard]] std::optional<std::string> variable(const std::string&) const override {
    return std::nullopt;
  }
};

/// Nothing can be written.
class NoWriter final : public FileWriter {
 public:
  Result<void> write_whole(const std::string& path, std::string_view) const override {
    return fail(ErrorCode::write_failed, path);
  }
  Result<void> write_folder(const std::string& path, const std::vector<FolderFile>&) const override {
    return fail(ErrorCode::write_failed, path);
  }
  Result<void> make_folders(const std::string& path) const override {
    return fail(ErrorCode::write_failed, path);
  }
};

}  // namespace llmsize::test
