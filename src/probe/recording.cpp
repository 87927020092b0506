#include "llmsize/probe/recording.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "llmsize/probe/confidential.hpp"

namespace llmsize::probe {
namespace {

constexpr std::size_t tar_block = 512;

/// Fields of a ustar header (POSIX.1-2017, pax), by offset and width.
struct Field {
  std::size_t at, width;
};
constexpr Field name_field{0, 100}, mode_field{100, 8}, user_field{108, 8}, group_field{116, 8},
    size_field{124, 12}, time_field{136, 12}, checksum_field{148, 8}, type_field{156, 1},
    link_field{157, 100}, magic_field{257, 8};

void put(std::string& header, Field field, std::string_view text) {
  std::copy_n(text.begin(), std::min(text.size(), field.width),
              header.begin() + static_cast<std::ptrdiff_t>(field.at));
}

void put_octal(std::string& header, Field field, std::size_t value) {
  put(header, field, fmt::format("{:0{}o}", value, field.width - 1));
}

std::string padded(std::string content) {
  content.resize((content.size() + tar_block - 1) / tar_block * tar_block, '\0');
  return content;
}

std::string header_of(const std::string& name, char type, std::size_t size, const std::string& link) {
  constexpr std::size_t file_mode = 0644, folder_mode = 0755;
  std::string header(tar_block, '\0');
  put(header, name_field, name);
  put_octal(header, mode_field, type == '5' ? folder_mode : file_mode);
  put_octal(header, user_field, 0);
  put_octal(header, group_field, 0);
  put_octal(header, size_field, size);
  put_octal(header, time_field, 0);
  put(header, type_field, std::string_view(&type, 1));
  put(header, link_field, link);
  put(header, magic_field, std::string_view("ustar\00000", 8));
  // The sum counts its own field as blanks.
  put(header, checksum_field, "        ");
  std::size_t sum = 0;
  for (const char byte : header) sum += static_cast<unsigned char>(byte);
  put(header, checksum_field, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  return header;
}

/// GNU's extra entry that carries a name or link target too long for the header.
std::string long_entry(const std::string& text, char type) {
  if (text.size() < name_field.width) return {};
  return header_of("././@LongLink", type, text.size() + 1, "") + padded(text + '\0');
}

std::string entry(const std::string& path, char type, const std::string& content, const std::string& link) {
  const std::string name = "." + path + (type == '5' ? "/" : "");
  return long_entry(name, 'L') + long_entry(link, 'K') + header_of(name, type, content.size(), link) +
         padded(content);
}

}  // namespace

Result<std::string> RecordingFiles::read_text(const std::string& path, Bytes limit) const {
  if (const auto known = contents_.find(path); known != contents_.end()) return known->second;
  auto text = files_.read_text(path, limit);
  if (text) *text = contents_[path] = without_secrets(path, *text, keeps_identity_);
  return text;
}

Result<std::vector<std::string>> RecordingFiles::list(const std::string& folder) const {
  auto names = files_.list(folder);
  if (!names) return names;
  folders_.insert(folder);
  for (const auto& name : *names) folders_.insert(folder + "/" + name);
  return names;
}

Result<std::string> RecordingFiles::read_link(const std::string& path) const {
  auto target = files_.read_link(path);
  if (target) links_[path] = *target;
  return target;
}

bool RecordingFiles::exists(const std::string& path) const {
  const bool there = files_.exists(path);
  if (there) (files_.is_folder(path) ? folders_ : seen_).insert(path);
  return there;
}

bool RecordingFiles::is_folder(const std::string& path) const {
  const bool there = files_.is_folder(path);
  if (there) folders_.insert(path);
  return there;
}

Result<std::unique_ptr<RandomAccessFile>> RecordingFiles::open(const std::string& path) const {
  return files_.open(path);
}

std::string RecordingFiles::archive() const {
  const auto within_root = [&](const std::string& path) { return path.substr(root_.size()); };
  const auto is_file = [&](const std::string& path) {
    return contents_.count(path) != 0 || links_.count(path) != 0;
  };
  std::string tar;
  for (const auto& folder : folders_)
    if (folder.size() > root_.size() && !is_file(folder) && seen_.count(folder) == 0)
      tar += entry(within_root(folder), '5', "", "");
  for (const auto& path : seen_)
    if (!is_file(path)) tar += entry(within_root(path), '0', "", "");
  for (const auto& [path, content] : contents_) tar += entry(within_root(path), '0', content, "");
  for (const auto& [path, target] : links_) tar += entry(within_root(path), '2', "", target);
  // Two empty blocks end an archive.
  return tar + std::string(2 * tar_block, '\0');
}

}  // namespace llmsize::probe
