#include "llmsize/probe/smbios.hpp"

#include <algorithm>
#include <cctype>
#include <set>

#include <fmt/format.h>

#include "llmsize/core/pattern.hpp"
#include "llmsize/core/text.hpp"
#include "llmsize/probe/probe.hpp"
#include "llmsize/probe/text.hpp"

namespace llmsize::probe {
namespace {

/// Offsets in a memory device structure (SMBIOS 3.7, table 74).
namespace offset {
constexpr std::size_t length = 0x01, size = 0x0c, locator = 0x10, bank = 0x11, speed = 0x15,
                      extended_size = 0x1c, configured_speed = 0x20, extended_speed = 0x54,
                      extended_configured_speed = 0x58;
}
constexpr unsigned memory_device_type = 17;
constexpr int channels_per_socket = 64;
/// A DDR channel moves 64 data bits in a transfer (DDR5's two halves of 32 together).
constexpr double bytes_per_transfer = 8;

/// Reads little-endian numbers within the structure's stated length.
class Structure {
 public:
  explicit Structure(std::string_view raw) : raw_(raw) {
    if (raw.size() > offset::length) formatted_ = std::min<std::size_t>(byte_at(offset::length), raw.size());
  }
  [[nodiscard]] std::optional<std::uint64_t> number(std::size_t at, std::size_t width) const {
    if (at + width > formatted_) return std::nullopt;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < width; ++i) value |= std::uint64_t{byte_at(at + i)} << (8 * i);
    return value;
  }
  /// The bytes before the strings.
  [[nodiscard]] std::string_view formatted() const { return raw_.substr(0, formatted_); }
  /// The string whose number stands at `at`; they follow the structure, each ended by a NUL byte.
  [[nodiscard]] std::string text(std::size_t at) const {
    const auto which = number(at, 1).value_or(0);
    std::string_view rest = raw_.substr(std::min(formatted_, raw_.size()));
    for (std::uint64_t i = 1; i < which && !rest.empty(); ++i) {
      const auto end = rest.find('\0');
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
    return which == 0 ? std::string() : std::string(trimmed(rest.substr(0, rest.find('\0'))));
  }

 private:
  [[nodiscard]] unsigned byte_at(std::size_t at) const { return static_cast<unsigned char>(raw_[at]); }
  std::string_view raw_;
  std::size_t formatted_ = 0;
};

/// Capacity; nothing for an empty slot (0) or an unknown size (0xffff).
std::optional<Bytes> module_size(const Structure& structure) {
  constexpr std::uint64_t not_known = 0xffff, see_extended = 0x7fff, in_kibibytes = 0x8000,
                          extended_mask = 0x7fffffff;
  const auto size = structure.number(offset::size, 2);
  if (!size || *size == 0 || *size == not_known) return std::nullopt;
  if (*size == see_extended) {
    const auto extended = structure.number(offset::extended_size, 4);
    if (!extended || (*extended & extended_mask) == 0) return std::nullopt;
    return mebibytes(static_cast<std::int64_t>(*extended & extended_mask));
  }
  const auto count = static_cast<std::int64_t>(*size & see_extended);
  return (*size & in_kibibytes) != 0 ? kibibytes(count) : mebibytes(count);
}

/// In MT/s; 0 where it is not stated or beyond any memory there is.
int speed_at(const Structure& structure, std::size_t at, std::size_t extended_at) {
  constexpr std::uint64_t see_extended = 0xffff, highest = 1'000'000;
  auto speed = structure.number(at, 2).value_or(0);
  if (speed == see_extended) speed = structure.number(extended_at, 4).value_or(0);
  return speed <= highest ? static_cast<int>(speed) : 0;
}

int socket_of(const std::string& text) {
  static const auto socket = Pattern::compile(R"((?:cpu|proc|processor|node|p)[ _]?([0-9]))");
  const auto found = socket->search(text);
  return found.empty() ? 0 : found[1].front() - '0';
}

}  // namespace

std::string without_serial_numbers(std::string_view raw) {
  const Structure structure(raw);
  if (structure.number(0, 1).value_or(0) != memory_device_type) return {};
  std::string kept(structure.formatted());
  const auto locator = structure.number(offset::locator, 1), bank = structure.number(offset::bank, 1);
  const auto strings = raw.substr(kept.size());
  std::size_t at = 0;
  for (std::uint64_t number = 1; at < strings.size() && strings[at] != '\0'; ++number) {
    const auto end = std::min(strings.find('\0', at), strings.size());
    kept += number == locator || number == bank ? std::string(strings.substr(at, end - at)) : "-";
    kept += '\0';
    at = end + 1;
  }
  if (!strings.empty()) kept += '\0';
  return kept;
}

std::optional<Dimm> parse_memory_device(std::string_view raw) {
  const Structure structure(raw);
  if (structure.number(0, 1).value_or(0) != memory_device_type) return std::nullopt;
  const auto size = module_size(structure);
  if (!size) return std::nullopt;
  Dimm dimm;
  constexpr const char* source = "SMBIOS type 17";
  dimm.size = reported(*size, source);
  dimm.locator = structure.text(offset::locator);
  // What the board runs the module at, else what the module could do.
  const int configured = speed_at(structure, offset::configured_speed, offset::extended_configured_speed);
  const int speed = configured > 0 ? configured : speed_at(structure, offset::speed, offset::extended_speed);
  dimm.mega_transfers_per_second =
      speed > 0 ? reported(speed, source) : unknown<int>("SMBIOS does not state it");
  const int channel = channel_of(dimm.locator, structure.text(offset::bank));
  dimm.channel = channel >= 0 ? derived(channel, "the slot's labels in SMBIOS")
                              : unknown<int>("the slot's labels do not name it");
  return dimm;
}

int channel_of(std::string_view locator, std::string_view bank) {
  constexpr std::size_t longest_label = 64;
  // "channel a", "chan a", "dimm_b2", "dimma1" or a bare "a1": the letter is the channel.
  static const auto letter = Pattern::compile(
      R"((?:channel|chan|ch)[ _-]?([a-p])(?![a-z])|dimm[ _-]?([a-p])(?:[0-9 _-]|$)|^([a-p])[0-9]{1,2}$|[_ ]([a-p])[0-9]$)");
  static const auto number = Pattern::compile(R"((?:channel|chan|ch)[ _-]?([0-9]{1,2}))");
  for (const auto label : {locator, bank}) {
    if (label.size() > longest_label) continue;
    const std::string text = lower_case(label);
    const std::string both =
        lower_case(locator.substr(0, longest_label)) + " " + lower_case(bank.substr(0, longest_label));
    const auto lettered = letter->search(text);
    for (std::size_t group = 1; group < lettered.size(); ++group)
      if (!lettered[group].empty())
        return socket_of(both) * channels_per_socket + (lettered[group].front() - 'a');
    if (const auto numbered = number->search(text); !numbered.empty())
      return socket_of(both) * channels_per_socket +
             static_cast<int>(parse_integer(numbered[1]).value_or(0)) % channels_per_socket;
  }
  return -1;
}

Fact<BytesPerSecond> module_bandwidth(const std::vector<Dimm>& dimms, int packages) {
  if (dimms.empty()) return unknown<BytesPerSecond>("SMBIOS lists no modules (it is for root only)");
  std::set<int> channels;
  int slowest = dimms.front().mega_transfers_per_second.value_or(0);
  for (const auto& dimm : dimms) {
    channels.insert(dimm.channel.value_or(-1));
    // Modules on one board run at one speed, the slowest's.
    slowest = std::min(slowest, dimm.mega_transfers_per_second.value_or(0));
  }
  const bool names_sockets = *channels.rbegin() >= channels_per_socket;
  // Some makers' letters stand for sockets ("A1" to "A12" on the first), so a letter per package says
  // nothing.
  if (packages > 1 && !names_sockets && channels.size() <= static_cast<std::size_t>(packages))
    return unknown<BytesPerSecond>("the slots' labels name sockets, not channels");
  if (channels.count(-1) != 0) return unknown<BytesPerSecond>("the slots' labels do not name their channels");
  if (slowest <= 0) return unknown<BytesPerSecond>("SMBIOS does not state the modules' speed");
  constexpr double mega = 1e6;
  const auto count = static_cast<double>(channels.size());
  return derived(BytesPerSecond(count * slowest * mega * bytes_per_transfer),
                 fmt::format("SMBIOS: {} channels x {} MT/s x 8 bytes", channels.size(), slowest));
}

void gather_dimms(const Surroundings& from, Host& host) {
  const std::string root = "/sys/firmware/dmi/entries";
  constexpr Bytes longest_structure = kibibytes(64);
  for (const int number : numbered_entries(from.files, root, "17-"))
    if (const auto raw = from.files.read_text(fmt::format("{}/17-{}/raw", root, number), longest_structure))
      if (auto dimm = parse_memory_device(*raw)) host.dimms.push_back(std::move(*dimm));
  host.memory.bandwidth = module_bandwidth(host.dimms, host.cpu.packages.value_or(1));
}

}  // namespace llmsize::probe
