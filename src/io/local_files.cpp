#include "llmsize/io/local_files.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace llmsize::io {
namespace {

/// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int number() const { return number_; }

 private:
  int number_;
};

tl::unexpected<Error> system_error(const std::string& path, int error) {
  const auto code = error == ENOENT || error == ENOTDIR ? ErrorCode::not_found : ErrorCode::unreadable;
  const char* hint = error == ENOENT   ? "Check the path."
                     : error == EACCES ? "Check its permissions, or run as a user who may read it."
                     : error == EISDIR ? "Name a file in it."
                                       : "";
  return fail(code, fmt::format("{}: {}", path, std::strerror(error)), hint);
}

Result<std::size_t> read_fully(int descriptor, std::int64_t offset, char* into, std::size_t length,
                               const std::string& path) {
  std::size_t done = 0;
  while (done < length) {
    const ssize_t got =
        ::pread(descriptor, into + done, length - done, offset + static_cast<std::int64_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(path, errno);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

/// The file that links at `path` lead to, whether it exists or not, so that the links themselves stay.
std::filesystem::path end_of_links(const std::string& path) {
  constexpr int most_links = 40;  // As Linux follows (path_resolution(7)).
  std::filesystem::path target = path;
  std::error_code error;
  for (int i = 0; i < most_links && std::filesystem::is_symlink(target, error); ++i) {
    const auto next = std::filesystem::read_symlink(target, error);
    if (error) break;
    target = target.parent_path() / next;
  }
  return target;
}

class LocalFile final : public RandomAccessFile {
 public:
  LocalFile(int descriptor, Bytes size, std::string path)
      : descriptor_(descriptor), size_(size), path_(std::move(path)) {}
  [[nodiscard]] Bytes size() const override { return size_; }
  Result<std::size_t> read_at(std::int64_t offset, char* into, std::size_t length) override {
    return read_fully(descriptor_.number(), offset, into, length, path_);
  }

 private:
  Descriptor descriptor_;
  Bytes size_;
  std::string path_;
};

}  // namespace

std::string LocalFiles::located(const std::string& path) const {
  return root_.empty() ? path : root_ + (path.starts_with('/') ? "" : "/") + path;
}

Result<std::string> LocalFiles::read_text(const std::string& path, Bytes limit) const {
  const Descriptor descriptor(::open(located(path).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.number() < 0) return system_error(path, errno);
  // Files in /proc and /sys state no length, so the content is read until it ends.
  std::string text;
  char chunk[16384];
  for (;;) {
    const ssize_t got = ::read(descriptor.number(), chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(path, errno);
    if (got == 0) return text;
    text.append(chunk, static_cast<std::size_t>(got));
    if (static_cast<std::int64_t>(text.size()) > limit.value())
      return fail(ErrorCode::malformed, fmt::format("{}: longer than {} bytes", path, limit.value()));
  }
}

Result<std::vector<std::string>> LocalFiles::list(const std::string& folder) const {
  DIR* stream = ::opendir(located(folder).c_str());
  if (stream == nullptr) return system_error(folder, errno);
  std::vector<std::string> names;
  while (const dirent* item = ::readdir(stream))
    if (std::strcmp(item->d_name, ".") != 0 && std::strcmp(item->d_name, "..") != 0)
      names.emplace_back(item->d_name);
  ::closedir(stream);
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::string> LocalFiles::read_link(const std::string& path) const {
  char target[PATH_MAX];
  const ssize_t length = ::readlink(located(path).c_str(), target, sizeof target);
  if (length < 0) return system_error(path, errno);
  return std::string(target, static_cast<std::size_t>(length));
}

bool LocalFiles::exists(const std::string& path) const {
  return ::access(located(path).c_str(), F_OK) == 0;
}

bool LocalFiles::is_folder(const std::string& path) const {
  struct stat status {};
  return ::stat(located(path).c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

Result<std::unique_ptr<RandomAccessFile>> LocalFiles::open(const std::string& path) const {
  const int descriptor = ::open(located(path).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return system_error(path, errno);
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    const int error = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
    ::close(descriptor);
    return system_error(path, error);
  }
  return std::make_unique<LocalFile>(descriptor, Bytes(status.st_size), path);
}

Result<void> LocalWriter::write_whole(const std::string& path, std::string_view content) const {
  const auto failed = [&](int error) {
    return fail(ErrorCode::write_failed,
                fmt::format("{}: could not be written: {}", path, std::strerror(error)),
                error == ENOSPC ? "Free some space; nothing was left behind." : "Nothing was left behind.");
  };
  struct stat status {};
  // Renaming would put a file in the place of a device or a pipe.
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    return fail(ErrorCode::write_failed, fmt::format("{}: is no regular file", path),
                "Name a file to write.");
  const std::string target = end_of_links(path).string();
  std::string temporary = target + ".XXXXXX";
  const Descriptor descriptor(::mkstemp(temporary.data()));
  if (descriptor.number() < 0) return failed(errno);
  const auto give_up = [&](int error) {
    ::unlink(temporary.c_str());
    return failed(error);
  };
  while (!content.empty()) {
    const ssize_t written = ::write(descriptor.number(), content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return give_up(errno);
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fchmod(descriptor.number(), 0644) != 0 || ::fsync(descriptor.number()) != 0) return give_up(errno);
  if (::rename(temporary.c_str(), target.c_str()) != 0) return give_up(errno);
  return {};
}

Result<void> LocalWriter::write_folder(const std::string& path, const std::vector<FolderFile>& files) const {
  const auto failed = [&](int error) {
    const bool occupied = error == ENOTEMPTY || error == EEXIST || error == ENOTDIR;
    return fail(ErrorCode::write_failed,
                fmt::format("{}: could not be written: {}", path, std::strerror(error)),
                occupied ? "Name a folder that does not exist yet." : "Nothing was left behind.");
  };
  std::string target = path;
  while (target.size() > 1 && target.ends_with('/')) target.pop_back();
  struct stat status {};
  if (::lstat(target.c_str(), &status) == 0) return failed(EEXIST);
  std::string temporary = target + ".XXXXXX";
  if (::mkdtemp(temporary.data()) == nullptr) return failed(errno);
  std::error_code ignored;
  for (const auto& file : files) {
    const std::string inside = temporary + "/" + file.name;
    std::filesystem::create_directories(std::filesystem::path(inside).parent_path(), ignored);
    auto written = write_whole(inside, file.content);
    if (written && file.executable && ::chmod(inside.c_str(), 0755) != 0) written = failed(errno);
    if (written) continue;
    std::filesystem::remove_all(temporary, ignored);
    return written;
  }
  if (::chmod(temporary.c_str(), 0755) == 0 && ::rename(temporary.c_str(), target.c_str()) == 0) return {};
  const int error = errno;
  std::filesystem::remove_all(temporary, ignored);
  return failed(error);
}

Result<void> LocalWriter::make_folders(const std::string& path) const {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error)
    return fail(ErrorCode::write_failed, fmt::format("{}: could not be made: {}", path, error.message()));
  return {};
}

}  // namespace llmsize::io
