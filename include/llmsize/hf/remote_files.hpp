#pragma once
#include <memory>
#include <string>
#include <vector>

#include "llmsize/hf/hub.hpp"
#include "llmsize/hf/repository.hpp"
#include "llmsize/ports/file_reader.hpp"
#include "llmsize/ports/file_writer.hpp"

namespace llmsize::hf {

/// The beginnings of remote files, kept on disk by commit: what a header needed, never weights.
class HeaderCache {
 public:
  /// Keeps nothing where `folder` is empty.
  HeaderCache(const FileReader& files, const FileWriter& writer, std::string folder)
      : files_(files), writer_(writer), folder_(std::move(folder)) {}

  /// What is kept under `name`; absent where there is nothing or it is damaged.
  [[nodiscard]] std::optional<RemotePart> load(const std::string& name) const;
  /// Written whole or not at all; a cache that cannot be written costs time, not the answer.
  void store(const std::string& name, const RemotePart& part) const;

 private:
  [[nodiscard]] std::string path_of(const std::string& name) const;
  const FileReader& files_;
  const FileWriter& writer_;
  std::string folder_;
};

/// A repository's files of one commit as a file system, read by growing ranges. Paths begin with `prefix`
/// ("hf:ORG/REPO/"), so that messages name what the user named.
///
/// A file's beginning goes into the cache when the next file is opened or `keep` is called, that is, once a
/// reader was content with it.
class RemoteFiles final : public FileReader {
 public:
  RemoteFiles(const Hub& hub, const HeaderCache& cache, std::string id, Repository repository);

  [[nodiscard]] const std::string& prefix() const { return prefix_; }
  [[nodiscard]] const Repository& repository() const { return repository_; }
  /// Stores what was read since the last call.
  void keep() const;

  Result<std::string> read_text(const std::string& path, Bytes limit = mebibytes(16)) const override;
  Result<std::vector<std::string>> list(const std::string& folder) const override;
  Result<std::string> read_link(const std::string& path) const override;
  [[nodiscard]] bool exists(const std::string& path) const override;
  [[nodiscard]] bool is_folder(const std::string& path) const override;
  Result<std::unique_ptr<RandomAccessFile>> open(const std::string& path) const override;

  /// A beginning in memory, shared between the file that reads it and what stores it.
  struct Beginning;

 private:
  [[nodiscard]] Result<std::string> inner_path(const std::string& path) const;
  [[nodiscard]] std::string address(const std::string& inner) const;
  const Hub& hub_;
  const HeaderCache& cache_;
  std::string id_;
  std::string prefix_;
  Repository repository_;
  mutable std::shared_ptr<Beginning> latest_;
};

}  // namespace llmsize::hf
