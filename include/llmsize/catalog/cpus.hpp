#pragma once
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "llmsize/core/units.hpp"

namespace llmsize::catalog {

/// Theoretical memory bandwidth of one package of a processor.
struct PackageBandwidth {
  BytesPerSecond rate;
  bool stated = false;  ///< By the entry itself, where channels and speed would give more than can be used.
  std::string how;      ///< "8 channels x 3200 MT/s x 8 bytes, with every channel filled".
};

/// What an entry of kind "cpu" says: its own figure, else channels x transfers x 8 bytes (a DDR channel is 64
/// bits wide). Nothing where it says neither.
std::optional<PackageBandwidth> package_bandwidth(const nlohmann::json& entry);

}  // namespace llmsize::catalog
