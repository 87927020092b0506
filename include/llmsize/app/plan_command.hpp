#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "llmsize/app/gpus.hpp"
#include "llmsize/app/outcome.hpp"
#include "llmsize/app/services.hpp"
#include "llmsize/core/footprint.hpp"
#include "llmsize/core/host.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/core/serving.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize::app {

/// The guide's three priorities: which quants a plan may choose.
enum class PlanPolicy { balanced, quality, speed };

struct PlanOptions {
  std::optional<Bytes> ram;                ///< --ram: a hypothetical machine instead of the host.
  GpuOptions gpus;                         ///< --gpu, --vram: GPUs beside that memory.
  std::optional<std::int64_t> numa_nodes;  ///< --numa: nodes that the memory is spread over.
  std::string role_set = "guide";        ///< --roles: a role set of the catalog, or a file that names roles.
  std::vector<std::string> pins;         ///< --pin ROLE=MODEL[:QUANT], repeatable.
  std::vector<std::string> excluded;     ///< --exclude MODEL, repeatable.
  std::vector<std::string> licences;     ///< --license NAME: only models known to have one of these.
  std::optional<double> lowest_quality;  ///< --min-quality, 0 to 1.
  std::optional<double> lowest_speed;    ///< --min-speed: tokens per second of every local role.
  std::map<std::string, std::int64_t> context_of;   ///< -c ROLE=N
  std::map<std::string, std::int64_t> parallel_of;  ///< -np ROLE=N
  std::optional<std::int64_t> context_tokens;       ///< -c N: of every other role.
  std::optional<std::int64_t> parallel;             ///< -np N: of every other role.
  PlanPolicy policy = PlanPolicy::balanced;
  std::optional<Bytes> os_reserve;       ///< --os-reserve
  std::optional<double> safety_percent;  ///< --margin
  Bytes prompt_cache = mebibytes(512);   ///< --cache-ram of every server.
  /// --load-mode; absent: mmap, or none where mapping would hold repacked weights twice.
  std::optional<LoadMode> load_mode;
  bool guide_method = false;                   ///< --method guide: the guide's fixed reserve.
  std::optional<BytesPerSecond> storage_rate;  ///< --storage-rate: what the models are read with.
  std::optional<BytesPerSecond> bandwidth;     ///< --bandwidth of system memory.
  std::string cpu;                             ///< --cpu: a processor of the catalog.
  std::string emit;                            ///< --emit FORMAT; empty: the page or --json.
  std::string out;                             ///< --out DIR: written there instead of to stdout.
  ServingOptions serving;                      ///< --models-dir, --engine, --port
  bool json = false;
};

/// Fills the roles with models under the machine's memory. Exit status 3 where a required or pinned role
/// stays unplaced.
Result<Outcome> run_plan(const Services& services, const Host& host, const PlanOptions& options);

}  // namespace llmsize::app
