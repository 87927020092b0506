#include "llmsize/probe/rooted_files.hpp"

#include <utility>

namespace llmsize::probe {
namespace {

/// As many links as Linux follows in one path.
constexpr int most_links = 40;

std::pair<std::string, std::string> split(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace

std::string without_slashes_at_end(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

RootedFiles::RootedFiles(const FileReader& files, std::string root)
    : files_(files), root_(without_slashes_at_end(std::move(root))) {}

std::string RootedFiles::resolved(const std::string& path, int depth) const {
  if (depth > most_links || path.empty() || path == "/") return {};
  const auto [folder, name] = split(path);
  if (name.empty() || name == ".") return resolved(folder, depth);
  auto known = folders_.find(folder);
  if (known == folders_.end()) known = folders_.emplace(folder, resolved(folder, depth + 1)).first;
  const std::string parent = known->second;
  if (name == "..") return split(parent).first;
  std::string here = parent + "/" + name;
  const auto target = files_.read_link(root_ + here);
  if (!target || target->empty()) return here;
  // A link inside a cached folder counts its own depth, so a loop ends here.
  return resolved(target->front() == '/' ? *target : parent + "/" + *target, depth + 1);
}

std::string RootedFiles::located(const std::string& path) const {
  return root_ + resolved(path);
}

Result<std::string> RootedFiles::read_text(const std::string& path, Bytes limit) const {
  const std::string place = located(path);
  // A loop of links resolves to the root, which is a folder and not a file.
  return files_.read_text(place, limit);
}

Result<std::vector<std::string>> RootedFiles::list(const std::string& folder) const {
  return files_.list(located(folder));
}

Result<std::string> RootedFiles::read_link(const std::string& path) const {
  const auto [folder, name] = split(path);
  return files_.read_link(located(folder) + "/" + name);
}

bool RootedFiles::exists(const std::string& path) const {
  return files_.exists(located(path));
}

bool RootedFiles::is_folder(const std::string& path) const {
  return files_.is_folder(located(path));
}

Result<std::unique_ptr<RandomAccessFile>> RootedFiles::open(const std::string& path) const {
  return files_.open(located(path));
}

}  // namespace llmsize::probe
