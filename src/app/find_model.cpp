#include "llmsize/app/find_model.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "llmsize/app/config_model.hpp"
#include "llmsize/app/hub_model.hpp"
#include "llmsize/app/model_stores.hpp"
#include "llmsize/catalog/model_names.hpp"
#include "llmsize/catalog/models.hpp"
#include "llmsize/gguf/reader.hpp"
#include "llmsize/hf/repository.hpp"

namespace llmsize::app {
namespace {

constexpr std::string_view hub_prefix = "hf:", ollama_prefix = "ollama:", lmstudio_prefix = "lmstudio:";
constexpr std::string_view safetensors_end = ".safetensors";

/// The model in the file that a store keeps under another name than the user's.
Result<Model> read_stored(const Services& services, const Result<std::string>& file,
                          const std::string& name) {
  if (!file) return tl::unexpected(file.error());
  auto model = read_gguf(services.files, *file, services.types);
  if (!model) return model;
  model->origin = name;
  if (name.starts_with(ollama_prefix)) model->id = name.substr(ollama_prefix.size());
  model->notes.push_back(fmt::format("read from {}", *file));
  return model;
}

/// GGUF models directly in a folder; later shards left out.
std::vector<std::string> models_in(const Services& services, const std::string& folder) {
  std::vector<std::string> models;
  for (const auto& name : files_below(services.files, folder, 0))
    if (hf::is_model_file(name)) models.push_back(folder + (folder.ends_with('/') ? "" : "/") + name);
  return models;
}

Result<Model> read_folder(const Services& services, const std::string& folder) {
  const auto models = models_in(services, folder);
  if (models.size() == 1) return read_gguf(services.files, models.front(), services.types);
  if (models.empty())
    return fail(ErrorCode::unreadable, fmt::format("{}: a folder without config.json or GGUF file", folder),
                "Name a model's file, or the folder that holds it.");
  return fail(ErrorCode::unreadable, fmt::format("{}: holds several models", folder),
              fmt::format("Name one: {}.", fmt::join(models, ", ")));
}

Result<Model> read_path(const Services& services, const std::string& name, bool as_published) {
  if (names_config(services.files, name))
    return load_config_model(services, services.files, name, as_published);
  if (services.files.is_folder(name)) return read_folder(services, name);
  if (!name.ends_with(safetensors_end)) return read_gguf(services.files, name, services.types);
  const auto slash = name.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : name.substr(0, slash);
  if (names_config(services.files, folder))
    return load_config_model(services, services.files, folder, as_published);
  return fail(
      ErrorCode::not_found, fmt::format("{}: no config.json beside it", name),
      "The weights alone do not say how the model runs; download its config.json into the same folder.");
}

Result<Model> find_in_catalog(const Services& services, const std::string& name, std::string& quant) {
  const auto named = catalog::find_model(services.catalog, name);
  if (!named) {
    auto error = named.error();
    if (name.find('/') != std::string::npos) {
      error.message = fmt::format("{}: no such file, and no model of the catalog by that name", name);
      error.hint += fmt::format(" hf:{} would ask the hub.", name.substr(0, 100));
    }
    return tl::unexpected(std::move(error));
  }
  if (quant.empty() && named->file_type) quant = *named->file_type;
  return catalog::load_model(services.catalog, named->entry);
}

Result<Model> find_any(const Services& services, const std::string& name, std::string& quant) {
  if (name.starts_with(hub_prefix)) return load_hub_model(services, name, quant);
  if (name.starts_with(ollama_prefix)) return read_stored(services, ollama_file(services, name), name);
  if (name.starts_with(lmstudio_prefix)) return read_stored(services, lmstudio_file(services, name), name);
  // A folder that merely happens to have a model's name stands back behind the catalog.
  const bool bare_folder = services.files.is_folder(name) && !names_config(services.files, name) &&
                           models_in(services, name).empty();
  if (names_a_file(name) || (services.files.exists(name) && !bare_folder))
    return read_path(services, name, quant.empty());
  auto model = find_in_catalog(services, name, quant);
  if (!model && bare_folder && model.error().code == ErrorCode::not_found) return read_folder(services, name);
  return model;
}

/// Files that go beside a model are written in its format, too.
Result<void> check_is_whole(const Model& model, const std::string& name) {
  if (model.source != ModelSource::gguf) return {};
  if (model.architecture == "clip")
    return fail(ErrorCode::malformed, fmt::format("{}: a projector, which is no model of its own", name),
                "--mmproj takes it, beside the model's own file.");
  const bool adapter = std::any_of(model.tensors.begin(), model.tensors.end(),
                                   [](const Tensor& tensor) { return tensor.name.ends_with(".lora_a"); });
  if (adapter)
    return fail(ErrorCode::malformed, fmt::format("{}: an adapter, which is no model of its own", name),
                "--lora takes it, beside the model's own file.");
  return {};
}

}  // namespace

bool names_a_file(const std::string& name) {
  return name.starts_with(hub_prefix) || name.starts_with(ollama_prefix) ||
         name.starts_with(lmstudio_prefix) || name.ends_with(".gguf") || name.ends_with(".json") ||
         name.ends_with(safetensors_end);
}

Result<Model> find_model(const Services& services, const std::string& name, std::string& quant) {
  auto model = find_any(services, name, quant);
  if (!model) return model;
  if (auto whole = check_is_whole(*model, name); !whole) return tl::unexpected(whole.error());
  return model;
}

}  // namespace llmsize::app
