#include "llmsize/probe/mounts.hpp"

#include <algorithm>

#include "llmsize/probe/text.hpp"

namespace llmsize::probe {
namespace {

/// Undoes the kernel's octal escapes for blanks and backslashes.
std::string unescaped(std::string_view text) {
  constexpr std::size_t digits = 3;
  std::string result;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto octal = text.substr(at + 1, digits);
    const bool escape = text[at] == '\\' && octal.size() == digits &&
                        std::all_of(octal.begin(), octal.end(), [](char c) { return c >= '0' && c <= '7'; });
    if (!escape) {
      result += text[at];
      continue;
    }
    int code = 0;
    for (const char digit : octal) code = code * 8 + (digit - '0');
    result += static_cast<char>(code);
    at += digits;
  }
  return result;
}

}  // namespace

std::string without_user(std::string source) {
  const auto begin = source.find("//");
  if (begin == std::string::npos) return source;
  const auto at = source.rfind('@', source.find('/', begin + 2));
  return at == std::string::npos || at < begin ? source : source.erase(begin + 2, at - begin - 1);
}

std::vector<Mount> parse_mountinfo(std::string_view text) {
  std::vector<Mount> mounts;
  for (const auto line : lines_of(text)) {
    // "27 1 254:0 / /mnt rw,relatime shared:1 - ext4 /dev/vda rw": optional fields end at the dash.
    const auto fields = fields_of(line);
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (dash - fields.begin() < 6 || fields.end() - dash < 3) continue;
    const auto colon = fields[2].find(':');
    const auto major = parse_integer(fields[2].substr(0, colon));
    const auto minor =
        colon == std::string_view::npos ? std::nullopt : parse_integer(fields[2].substr(colon + 1));
    constexpr std::int64_t highest_number = 1 << 20;
    if (!major || !minor || *major < 0 || *minor < 0 || *major > highest_number || *minor > highest_number)
      continue;
    mounts.push_back({static_cast<int>(*major), static_cast<int>(*minor), unescaped(fields[3]),
                      unescaped(fields[4]), std::string(dash[1]), without_user(unescaped(dash[2])),
                      fields.end() - dash > 3 ? std::string(dash[3]) : std::string()});
  }
  return mounts;
}

std::vector<Mount> parse_mounts(std::string_view text) {
  std::vector<Mount> mounts;
  for (const auto line : lines_of(text)) {
    const auto fields = fields_of(line);
    if (fields.size() < 4) continue;
    mounts.push_back({0, 0, "/", unescaped(fields[1]), std::string(fields[2]),
                      without_user(unescaped(fields[0])), std::string(fields[3])});
  }
  return mounts;
}

std::vector<Mount> read_mounts(const FileReader& files) {
  if (const auto text = files.read_text("/proc/self/mountinfo")) return parse_mountinfo(*text);
  for (const char* path : {"/proc/self/mounts", "/proc/mounts"})
    if (const auto text = files.read_text(path)) return parse_mounts(*text);
  return {};
}

bool lies_in(const std::string& path, const std::string& folder) {
  if (folder == "/") return path.starts_with('/');
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

const Mount* mount_of(const std::vector<Mount>& mounts, const std::string& path) {
  const Mount* best = nullptr;
  for (const auto& mount : mounts)
    if (lies_in(path, mount.point) && (best == nullptr || mount.point.size() >= best->point.size()))
      best = &mount;
  return best;
}

}  // namespace llmsize::probe
