#pragma once
#include "llmsize/core/footprint.hpp"
#include "llmsize/core/repack.hpp"

namespace llmsize {

/// The host's part of the weights.
struct WeightResidency {
  Bytes file_backed;
  Bytes anonymous;  ///< Copies included.
};

/// Everything on the host.
WeightResidency weight_residency(const Model& model, const Repacking& repacked, LoadMode mode);

/// The host's part where devices hold the rest. The memory that their drivers lend the host comes before
/// repacked weights, so nothing is repacked.
WeightResidency host_weights(const Model& model, const Footprint& footprint, LoadMode mode);

}  // namespace llmsize
