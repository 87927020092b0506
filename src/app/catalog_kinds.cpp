#include "llmsize/app/catalog_kinds.hpp"

#include <nlohmann/json.hpp>

#include "llmsize/catalog/throughput.hpp"
#include "llmsize/catalog/types.hpp"

namespace llmsize::app {
namespace {

/// For kinds whose entries only need to be objects: their readers say more when they use them.
Result<void> is_object(const Services& services, const catalog::EntryReference& entry) {
  const auto value = services.catalog.parse(entry);
  if (!value) return tl::unexpected(value.error());
  return {};
}

Result<void> check_gpu(const Services& services, const catalog::EntryReference& entry) {
  const auto value = services.catalog.parse(entry);
  if (!value) return tl::unexpected(value.error());
  const auto gpu = catalog::parse_gpu(entry, *value);
  if (!gpu) return tl::unexpected(gpu.error());
  if (!services.catalog.find("throughput", gpu->class_id))
    return fail(ErrorCode::malformed,
                entry.location.describe() + ": no throughput entry is called \"" + gpu->class_id + "\"",
                "Name a class that llmsize catalog list throughput shows.");
  return {};
}

Result<void> check_throughput(const Services& services, const catalog::EntryReference& entry) {
  const auto value = services.catalog.parse(entry);
  if (!value) return tl::unexpected(value.error());
  catalog::ThroughputTable table;
  return catalog::parse_throughput(entry, *value, table);
}

}  // namespace

const std::vector<CatalogKind>& catalog_kinds() {
  static const std::vector<CatalogKind> kinds = {
      {"model", "open-weight models: hyperparameters with their sources", is_object},
      {"architecture", "tensor templates, caches and graphs by architecture", is_object},
      {"file_type", "what the quantizer can produce: the type of each tensor", is_object},
      {"vocabulary", "what a vocabulary takes in a file's header, by its size", is_object},
      {"tier", "the sizing guide's tiers of machines by memory", is_object},
      {"tensor_type", "block layouts of tensor types", is_object},
      {"gpu", "GPUs: memory, bandwidth, compute, buffer alignment", check_gpu},
      {"throughput", "constants of the speed predictor and measured speed-ups", check_throughput},
  };
  return kinds;
}

}  // namespace llmsize::app
