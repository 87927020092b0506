#include "llmsize/app/catalog_kinds.hpp"

#include <nlohmann/json.hpp>

#include "llmsize/catalog/architectures.hpp"
#include "llmsize/catalog/entry_rules.hpp"
#include "llmsize/catalog/file_types.hpp"
#include "llmsize/catalog/models.hpp"
#include "llmsize/catalog/projectors.hpp"
#include "llmsize/catalog/roles.hpp"
#include "llmsize/catalog/throughput.hpp"
#include "llmsize/catalog/tiers.hpp"
#include "llmsize/catalog/types.hpp"

namespace llmsize::app {
namespace {

/// For kinds whose keys do not depend on each other or on other entries.
Result<void> check_form(const Services& services, const catalog::EntryReference& entry) {
  const auto value = services.catalog.parse(entry);
  if (!value) return tl::unexpected(value.error());
  for (const auto& fault : catalog::entry_faults(entry.kind, *value))
    return fail(ErrorCode::malformed, entry.location.describe() + fault.pointer + ": " + fault.message,
                "docs/schema has the form of every kind.");
  return {};
}

Result<void> check_model(const Services& services, const catalog::EntryReference& entry) {
  const auto model = catalog::load_model(services.catalog, entry);
  // A model of which the public sources do not say everything is a well-formed entry that cannot be sized.
  if (!model && model.error().code != ErrorCode::unsupported) return tl::unexpected(model.error());
  return {};
}

Result<void> check_architecture(const Services& services, const catalog::EntryReference& entry) {
  const auto architecture = catalog::load_architecture(services.catalog, entry.id);
  if (!architecture) return tl::unexpected(architecture.error());
  return {};
}

Result<void> check_projector(const Services& services, const catalog::EntryReference& entry) {
  const auto projector = catalog::load_projector(services.catalog, entry.id);
  if (!projector) return tl::unexpected(projector.error());
  return {};
}

Result<void> check_file_type(const Services& services, const catalog::EntryReference& entry) {
  const auto file_type = catalog::load_file_type(services.catalog, services.types, entry.id);
  if (!file_type) return tl::unexpected(file_type.error());
  return {};
}

Result<void> check_tier(const Services& services, const catalog::EntryReference&) {
  const auto tiers = catalog::load_tiers(services.catalog);
  if (!tiers) return tl::unexpected(tiers.error());
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

Result<void> check_role(const Services& services, const catalog::EntryReference& entry) {
  const auto role = catalog::load_role(services.catalog, std::string(entry.id));
  if (!role) return tl::unexpected(role.error());
  for (const auto& candidate : role->candidates)
    if (!services.catalog.find("model", candidate.model))
      return fail(ErrorCode::malformed, "candidate \"" + candidate.model + "\" is no model of the catalog",
                  "Add the model, or name one that llmsize catalog list model shows.");
  return {};
}

Result<void> check_role_set(const Services& services, const catalog::EntryReference& entry) {
  const auto roles = catalog::load_role_set(services.catalog, std::string(entry.id));
  if (!roles) return tl::unexpected(roles.error());
  return {};
}

}  // namespace

const std::vector<CatalogKind>& catalog_kinds() {
  static const std::vector<CatalogKind> kinds = {
      {"model", "open-weight models: hyperparameters with their sources", check_model},
      {"architecture", "tensor templates, caches and graphs by architecture", check_architecture},
      {"file_type", "what the quantizer can produce: the type of each tensor", check_file_type},
      {"vocabulary", "what a vocabulary takes in a file's header, by its size", check_form},
      {"tier", "the sizing guide's tiers of machines by memory", check_tier},
      {"guide_table", "the sizing guides' printed tables, quoted with their place", check_form},
      {"guide_factor", "the guides' planning factors", check_form},
      {"size_tier", "the second guide's tiers of models by parameters", check_form},
      {"role", "roles: priority, needs and ranked candidates", check_role},
      {"role_set", "which roles are planned together", check_role_set},
      {"quant_quality", "what quantizing costs: published divergence by quant", check_form},
      {"capability", "public benchmark scores by model", check_form},
      {"model_capability", "what models can do, and how those that can are told", check_form},
      {"projector", "vision projectors of models: their shapes", check_projector},
      {"projector_type", "tensor templates of projectors", check_form},
      {"config_keys", "what the keys of a Hugging Face config.json mean", check_form},
      {"tensor_type", "block layouts of tensor types", check_form},
      {"cpu", "processors: memory channels and speed", check_form},
      {"gpu", "GPUs: memory, bandwidth, compute, buffer alignment", check_gpu},
      {"throughput", "constants of the speed predictor and measured speed-ups", check_throughput},
  };
  return kinds;
}

}  // namespace llmsize::app
