#pragma once
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "llmsize/io/local_files.hpp"
#include "llmsize/probe/probe.hpp"
#include "llmsize/probe/rooted_files.hpp"

namespace llmsize::test {

/// A recorded machine made by a test, below a temporary folder.
class TemporaryTree {
 public:
  TemporaryTree() {
    std::string pattern = (std::filesystem::temp_directory_path() / "llmsize-tree-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryTree() { std::filesystem::remove_all(root_); }
  TemporaryTree(const TemporaryTree&) = delete;
  TemporaryTree& operator=(const TemporaryTree&) = delete;

  TemporaryTree& add(const std::string& path, const std::string& content) {
    const auto place = std::filesystem::path(root_ + path);
    std::filesystem::create_directories(place.parent_path());
    std::ofstream(place, std::ios::binary) << content;
    return *this;
  }
  TemporaryTree& link(const std::string& path, const std::string& target) {
    const auto place = std::filesystem::path(root_ + path);
    std::filesystem::create_directories(place.parent_path());
    std::filesystem::create_symlink(target, place);
    return *this;
  }
  [[nodiscard]] const std::string& root() const { return root_; }
  [[nodiscard]] Host probe(const std::string& model_folder = "") const {
    const io::LocalFiles files;
    const probe::RootedFiles rooted(files, root_);
    return probe::gather({rooted, nullptr, nullptr, nullptr, model_folder});
  }

 private:
  std::string root_;
};

}  // namespace llmsize::test
