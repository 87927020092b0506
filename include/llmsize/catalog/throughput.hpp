#pragma once
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "llmsize/catalog/catalog.hpp"
#include "llmsize/core/acceleration.hpp"
#include "llmsize/core/throughput.hpp"

namespace llmsize::catalog {

/// Everything that data/throughput.json says.
struct ThroughputTable {
  std::vector<GpuClass> gpu_classes;
  CpuConstants cpu;
  BusRate bus;
  std::vector<AccelerationMethod> methods;

  /// Null where there is no such class.
  [[nodiscard]] const GpuClass* find_class(std::string_view id) const;
};

/// Errors: malformed, naming the entry's file, JSON pointer and key.
Result<ThroughputTable> load_throughput(const Catalog& catalog);

/// The GPU by id, exact name or alias; letter case and separators do not matter, but nothing else is guessed:
/// "RTX A1000" is not an A100. Errors: not_found with similar names, malformed.
Result<GpuSpec> load_gpu(const Catalog& catalog, std::string_view name);

/// Reads one entry, for loading and for `catalog validate`.
Result<GpuSpec> parse_gpu(const EntryReference& reference, const nlohmann::json& entry);
/// Adds one entry of kind "throughput" to `table`.
Result<void> parse_throughput(const EntryReference& reference, const nlohmann::json& entry,
                              ThroughputTable& table);

}  // namespace llmsize::catalog
