#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llmsize/ports/file_reader.hpp"

namespace llmsize::probe {

/// A line of /proc/self/mountinfo.
struct Mount {
  int major = 0, minor = 0;
  std::string root;   ///< The part of the file system that is mounted.
  std::string point;  ///< Where it is mounted.
  std::string type;
  std::string source;
  std::string options;  ///< The file system's own ("rw,memory" for a v1 control group).
};

/// Damaged lines are left out. Escapes such as "\040" are undone.
std::vector<Mount> parse_mountinfo(std::string_view text);
/// The same from /proc/mounts, which lacks device numbers and roots (taken for "/").
std::vector<Mount> parse_mounts(std::string_view text);
/// From whichever of the two files can be read.
std::vector<Mount> read_mounts(const FileReader& files);

/// "//nas/share" for "//user:password@nas/share": sources stand in reports.
std::string without_user(std::string source);

/// The mount that `path` (absolute, without links) lies on: the longest mount point that contains it, the
/// last of equals, since later mounts hide earlier ones. Null where there is none.
const Mount* mount_of(const std::vector<Mount>& mounts, const std::string& path);

/// Whether `path` is `folder` or below it.
bool lies_in(const std::string& path, const std::string& folder);

}  // namespace llmsize::probe
