#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "llmsize/core/host.hpp"
#include "llmsize/ports/file_reader.hpp"

namespace llmsize::probe {

/// The lines of /proc/meminfo that the probe uses; absent where missing or damaged.
struct Meminfo {
  std::optional<Bytes> total, available, free, buffers, cached, reclaimable_slab, shared, swap_total,
      swap_free;
};

Meminfo parse_meminfo(std::string_view text);

/// MemAvailable; where it is missing or claims at least the total (old kernels), what the kernel could drop:
/// free + buffers + page cache + reclaimable slab - shared memory.
Fact<Bytes> available_memory(const Meminfo& meminfo);

/// ZFS's cache above its minimum, which it gives back under pressure but MemAvailable leaves out.
std::optional<Bytes> parse_arc_reclaimable(std::string_view arcstats);

/// The NUMA node that holds a GPU's memory, from /proc/driver/nvidia/gpus/*/numa_status; nothing unless
/// online.
std::optional<int> parse_gpu_node(std::string_view numa_status);

/// Nodes whose memory belongs to GPUs.
std::vector<int> gpu_nodes(const FileReader& files);

/// A NUMA node's MemTotal or MemFree, from nodeN/meminfo.
std::optional<Bytes> parse_node_meminfo(std::string_view text, std::string_view key);

/// What could be had on a NUMA node: free memory and what the kernel could drop there.
Fact<Bytes> available_on_node(std::string_view text, const std::string& path);

}  // namespace llmsize::probe
