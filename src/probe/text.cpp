#include "llmsize/probe/text.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/format.h>

namespace llmsize::probe {
namespace {

constexpr std::string_view blanks{" \t\r\n\0", 5};

template <class Number>
std::optional<Number> whole_number(std::string_view text, int base) {
  Number value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
    return std::nullopt;
  return value;
}

/// Calls `use` with each part between commas; false as soon as `use` says false.
template <class Use>
bool for_each_part(std::string_view text, Use use) {
  for (;;) {
    const auto comma = text.find(',');
    if (!use(trimmed(text.substr(0, comma)))) return false;
    if (comma == std::string_view::npos) return true;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  for (;;) {
    const auto begin = line.find_first_not_of(blanks);
    if (begin == std::string_view::npos) return fields;
    line.remove_prefix(begin);
    const auto end = line.find_first_of(blanks);
    fields.push_back(line.substr(0, end));
    if (end == std::string_view::npos) return fields;
    line.remove_prefix(end);
  }
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  return whole_number<std::int64_t>(trimmed(text), 10);
}

std::optional<std::uint64_t> parse_hexadecimal(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with("0x")) text.remove_prefix(2);
  return whole_number<std::uint64_t>(text, 16);
}

std::optional<std::vector<int>> parse_cpu_list(std::string_view text) {
  text = trimmed(text);
  std::set<int> cpus;
  if (text.empty()) return std::vector<int>();
  const bool sound = for_each_part(text, [&](std::string_view part) {
    const auto dash = part.find('-');
    const auto first = whole_number<int>(part.substr(0, dash), 10);
    const auto last = dash == std::string_view::npos ? first : whole_number<int>(part.substr(dash + 1), 10);
    if (!first || !last || *first < 0 || *first > *last || *last > highest_cpu) return false;
    for (int cpu = *first; cpu <= *last; ++cpu) cpus.insert(cpu);
    return true;
  });
  if (!sound) return std::nullopt;
  return std::vector<int>(cpus.begin(), cpus.end());
}

std::optional<std::vector<int>> parse_cpu_mask(std::string_view text) {
  constexpr int bits_per_group = 32;
  std::vector<std::uint32_t> groups;
  const bool sound = for_each_part(trimmed(text), [&](std::string_view part) {
    const auto group = whole_number<std::uint32_t>(part, 16);
    if (group) groups.push_back(*group);
    return group.has_value() && groups.size() <= highest_cpu / bits_per_group;
  });
  if (!sound) return std::nullopt;
  std::vector<int> cpus;
  int base = 0;
  for (auto group = groups.rbegin(); group != groups.rend(); ++group, base += bits_per_group)
    for (int bit = 0; bit < bits_per_group; ++bit)
      if ((*group >> bit & 1U) != 0) cpus.push_back(base + bit);
  return cpus;
}

std::optional<Bytes> parse_cache_size(std::string_view text) {
  text = trimmed(text);
  if (text.empty()) return std::nullopt;
  Bytes unit(1);
  if (text.back() == 'K') unit = kibibytes(1);
  if (text.back() == 'M') unit = mebibytes(1);
  if (text.back() == 'G') unit = gibibytes(1);
  if (unit != Bytes(1)) text.remove_suffix(1);
  const auto number = parse_integer(text);
  if (!number || *number <= 0) return std::nullopt;
  const Bytes size = unit * *number;
  return size.is_saturated() ? std::nullopt : std::optional(size);
}

std::map<std::string, std::string> parse_colon_lines(std::string_view text) {
  std::map<std::string, std::string> values;
  for (const auto line : lines_of(text)) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    values.emplace(trimmed(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
  }
  return values;
}

std::optional<Bytes> parse_kibibytes(std::string_view value) {
  value = trimmed(value);
  constexpr std::string_view unit = "kB";
  if (!value.ends_with(unit)) return std::nullopt;
  value.remove_suffix(unit.size());
  const auto number = parse_integer(value);
  if (!number || *number < 0) return std::nullopt;
  const Bytes size = kibibytes(1) * *number;
  return size.is_saturated() ? std::nullopt : std::optional(size);
}

std::string cpu_list_text(const std::vector<int>& cpus) {
  std::string text;
  for (std::size_t first = 0; first < cpus.size();) {
    std::size_t last = first;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
    text += fmt::format("{}{}", text.empty() ? "" : ",", cpus[first]);
    if (last > first) text += fmt::format("-{}", cpus[last]);
    first = last + 1;
  }
  return text;
}

std::vector<int> intersection(const std::vector<int>& a, const std::vector<int>& b) {
  std::vector<int> common;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(common));
  return common;
}

std::optional<std::string> name_of_first(std::span<const NamedMark> marks,
                                         const std::function<bool(std::string_view)>& is_there) {
  const auto found =
      std::find_if(marks.begin(), marks.end(), [&](const NamedMark& mark) { return is_there(mark.text); });
  return found == marks.end() ? std::nullopt : std::optional<std::string>(found->name);
}

std::optional<std::string> read_trimmed(const FileReader& files, const std::string& path) {
  const auto text = files.read_text(path);
  if (!text) return std::nullopt;
  return std::string(trimmed(*text));
}

std::optional<std::int64_t> read_integer(const FileReader& files, const std::string& path) {
  const auto text = files.read_text(path);
  return text ? parse_integer(*text) : std::nullopt;
}

std::vector<int> numbered_entries(const FileReader& files, const std::string& folder,
                                  std::string_view prefix) {
  std::vector<int> numbers;
  const auto names = files.list(folder);
  if (!names) return numbers;
  for (const auto& name : *names) {
    if (!std::string_view(name).starts_with(prefix)) continue;
    const auto number = whole_number<int>(std::string_view(name).substr(prefix.size()), 10);
    if (number && *number >= 0 && *number <= highest_cpu) numbers.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace llmsize::probe
