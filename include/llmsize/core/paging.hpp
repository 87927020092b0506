#pragma once
#include "llmsize/core/footprint.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

struct Model;

/// Weights that a file backs in the host's memory and that decoding reads again and again
/// (docs/METHOD.md, "Weights from storage").
struct PagedWeights {
  Bytes every_token;     ///< Used in place for every token.
  Bytes experts;         ///< Routed experts used in place, all of them.
  Bytes room;            ///< What the budget leaves for pages of the file.
  Bytes room_when_idle;  ///< The same while the server's prompt cache is empty.
};

/// What `budget` leaves for pages of the file beside everything that must stay in the host's memory.
Bytes room_for_pages(const Footprint& footprint, Bytes budget);

/// What of `model` pages under `budget`: neither what is repacked, whose originals nobody reads again, nor
/// what devices hold, nor tables of which a token reads a row.
PagedWeights paged_weights(const Model& model, const Footprint& footprint, const Residency& residency,
                           Bytes budget);

/// What is read from storage in one pass over the weights, for a token or for a batch of a prompt.
struct DiskReads {
  Bytes low, mid, high;
  [[nodiscard]] bool any() const { return high > Bytes(0); }
};

/// Reads of a pass that touches `share` of the routed experts (0 to 1).
DiskReads disk_reads(const PagedWeights& weights, double share);

/// Reads of one token, and how fast they are.
struct StorageReads {
  DiskReads token;         ///< Per token decoded.
  DiskReads prompt_token;  ///< Per token of a prompt: a batch's share.
  Fact<BytesPerSecond> rate;
};

}  // namespace llmsize
