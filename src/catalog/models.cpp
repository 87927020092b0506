#include "llmsize/catalog/models.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/hyperparameters.hpp"
#include "llmsize/catalog/model_entry.hpp"

namespace llmsize::catalog {
namespace {

std::string text_of(const nlohmann::json& entry, const char* key) {
  const auto found = entry.find(key);
  return found != entry.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// Refuses an entry whose shape no source states in full: a default in its place would be a guess.
Result<void> check_complete(const nlohmann::json& document) {
  const auto missing = document.find("missing");
  if (missing == document.end() || !missing->is_array() || missing->empty()) return {};
  std::string names;
  for (const auto& name : *missing)
    if (name.is_string()) names += (names.empty() ? "" : ", ") + name.get<std::string>();
  const auto total = document.find("total_params");
  return fail(ErrorCode::unsupported,
              fmt::format("{}: no public source states its {}", text_of(document, "name"), names),
              total != document.end() && total->is_number_integer()
                  ? fmt::format("Name its GGUF file, or size it by --params {:.1f}.",
                                static_cast<double>(total->get<std::int64_t>()) / 1e9)
                  : "Name its GGUF file.");
}

}  // namespace

Result<Model> load_model(const Catalog& catalog, const EntryReference& entry) {
  ArchitectureLoader architectures(catalog);
  return load_model(catalog, entry, architectures);
}

Result<Model> load_model(const Catalog& catalog, const EntryReference& entry,
                         ArchitectureLoader& architectures) {
  const auto document = catalog.parse(entry);
  if (!document) return tl::unexpected(document.error());
  Model model;
  model.id = std::string(entry.id);
  model.origin = model.id;
  model.name = text_of(*document, "name");
  model.architecture = text_of(*document, "architecture");
  model.source = ModelSource::catalog;
  if (auto complete = check_complete(*document); !complete) return tl::unexpected(complete.error());
  // A listed tensor table needs no templates, so it also serves architectures that the catalog lacks.
  const auto listed = document->find("tensors");
  const auto& architecture = architectures.load(model.architecture);
  if (!architecture && (listed == document->end() || architecture.error().code != ErrorCode::not_found))
    return tl::unexpected(error_in(entry, "/architecture", architecture.error()));

  const auto stated = document->find("hyperparameters");
  auto values = read_hyperparameters(stated == document->end() ? nlohmann::json() : *stated);
  if (!values) return tl::unexpected(error_in(entry, "/hyperparameters", values.error()));
  const auto described = document->find("features");
  auto features = read_hyperparameters(described == document->end() ? nlohmann::json::object() : *described);
  if (!features) return tl::unexpected(error_in(entry, "/features", features.error()));
  if (architecture) model.hyperparameters = architecture->defaults;
  for (const auto& [key, value] : values->all()) model.hyperparameters.set(key, value);
  for (const auto& [key, value] : features->all()) model.hyperparameters.set("feature." + key, value);

  auto tensors = listed == document->end() ? expand_tensors(*architecture, model.hyperparameters)
                                           : read_listed_tensors(catalog, *listed);
  if (!tensors)
    return tl::unexpected(error_in(entry, listed == document->end() ? "" : "/tensors", tensors.error()));
  model.tensors = *std::move(tensors);
  if (const auto active = document->find("active_params");
      active != document->end() && active->is_number_integer())
    model.active_params = ParamCount(active->get<std::int64_t>());
  if (const auto notes = text_of(*document, "notes"); !notes.empty()) model.notes.push_back(notes);
  return model;
}

}  // namespace llmsize::catalog
