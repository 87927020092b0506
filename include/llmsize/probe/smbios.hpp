#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "llmsize/core/host.hpp"

namespace llmsize::probe {

/// A memory module from the raw bytes of an SMBIOS type 17 structure with its strings (SMBIOS 3.7, 7.18).
/// Nothing for an empty slot or damaged bytes.
std::optional<Dimm> parse_memory_device(std::string_view raw);

/// The same structure with "-" for every string but the slot's labels: makers, part and serial numbers, asset
/// tags. Nothing for other structures.
std::string without_serial_numbers(std::string_view raw);

/// The channel that a slot's label names ("CPU0_DIMM_B2", "ChannelA-DIMM0", "P1 CHANNEL F"), numbered within
/// the whole machine as socket * 64 + letter; -1 where the label has no known form.
int channel_of(std::string_view locator, std::string_view bank);

/// The bandwidth of all populated channels at the modules' configured speed: channels x transfers x 8 bytes.
/// Unknown where a label's channel or a speed is, or where the letters may stand for sockets.
Fact<BytesPerSecond> module_bandwidth(const std::vector<Dimm>& dimms, int packages);

}  // namespace llmsize::probe
