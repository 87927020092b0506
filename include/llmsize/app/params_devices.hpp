#pragma once
#include "llmsize/core/footprint.hpp"

namespace llmsize::app {

/// Spreads the parts of `f`, of which only intervals are known, over devices in the proportions of `like`, a
/// model of about the size whose layers are placed there; then sums everything up. The intervals of what lies
/// on a device become the interval of the device.
void spread_like(Footprint& f, const Footprint& like, LoadMode mode);

}  // namespace llmsize::app
