#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "llmsize/core/host.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

// Which hosts of a fleet are alike (docs/METHOD.md, "A fleet").

/// Hosts for which one plan holds.
struct MachineClass {
  /// "ram256-4x-rtx-4090-3fa2c1": a label of Kubernetes and a file name, the same for the same facts.
  std::string id;
  std::vector<std::size_t> members;  ///< Into the list of hosts, in its order.
  /// The machine that is planned for: nothing it has exceeds what any member has.
  Host smallest;
  std::size_t tightest = 0;         ///< The member whose memory binds.
  Bytes least_memory, most_memory;  ///< Effective memory of the tightest and of the roomiest member.
};

/// Collapses hosts into classes: alike are those with the same hardware and limits whose amounts differ by
/// at most a twentieth from the roomiest one's, and measured rates by 15 %. Hosts that are too far off make a
/// class of their own, "ID-2". Listed by id.
std::vector<MachineClass> machine_classes(const std::vector<Host>& hosts);

/// What contradicts itself in a host's facts, as a clause; nothing where nothing does, though facts may be
/// unknown.
std::optional<std::string> contradiction_in(const Host& host);

/// Pairs of hosts that are one machine, (later, earlier): by machine id, by name where one has no id.
std::vector<std::pair<std::size_t, std::size_t>> duplicate_hosts(const std::vector<Host>& hosts);

}  // namespace llmsize
