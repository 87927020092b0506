#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llmsize/core/units.hpp"
#include "llmsize/ports/file_reader.hpp"

namespace llmsize::probe {

/// Highest CPU number that a list may name: four times the kernel's largest NR_CPUS, so that a damaged file
/// cannot ask for gigabytes.
inline constexpr int highest_cpu = 32'767;

/// `text` without white space, line ends and NUL bytes at either end.
std::string_view trimmed(std::string_view text);
/// The text's lines, without their ends.
std::vector<std::string_view> lines_of(std::string_view text);
/// Fields between white space.
std::vector<std::string_view> fields_of(std::string_view line);

/// A whole decimal number with nothing after it but white space; nothing where it is none or does not fit.
std::optional<std::int64_t> parse_integer(std::string_view text);
/// "0x410fd871" or "410fd871"; nothing for damaged text or more than 64 bits.
std::optional<std::uint64_t> parse_hexadecimal(std::string_view text);
/// "0-3,8,10-11" as sorted distinct numbers. Nothing for damaged text or numbers beyond `highest_cpu`; an
/// empty list for empty text.
std::optional<std::vector<int>> parse_cpu_list(std::string_view text);
/// A mask such as "ff,00000003", as sysfs writes it. Nothing for damaged text.
std::optional<std::vector<int>> parse_cpu_mask(std::string_view text);
/// "32K", "1M" or plain bytes, as in cache/index*/size; nothing for "None" and the like.
std::optional<Bytes> parse_cache_size(std::string_view text);
/// "Key: value" lines ("MemTotal:  131 kB") by key; a later line of the same key is ignored.
std::map<std::string, std::string> parse_colon_lines(std::string_view text);
/// A "kB" value of /proc/meminfo in bytes; nothing where damaged.
std::optional<Bytes> parse_kibibytes(std::string_view value);
/// "0-3,8" from sorted numbers.
std::string cpu_list_text(const std::vector<int>& cpus);

/// Members of both sorted lists.
std::vector<int> intersection(const std::vector<int>& a, const std::vector<int>& b);

/// What a text stands for: a vendor's name, a path's part, a device's prefix.
struct NamedMark {
  std::string_view text;
  const char* name;
};
/// The name of the first mark that is there; nothing where none is.
std::optional<std::string> name_of_first(std::span<const NamedMark> marks,
                                         const std::function<bool(std::string_view)>& is_there);

/// The file's content, trimmed; nothing where it cannot be read.
std::optional<std::string> read_trimmed(const FileReader& files, const std::string& path);
std::optional<std::int64_t> read_integer(const FileReader& files, const std::string& path);
/// Numbers N of the folder's entries named `prefix`N, ascending.
std::vector<int> numbered_entries(const FileReader& files, const std::string& folder,
                                  std::string_view prefix);

}  // namespace llmsize::probe
