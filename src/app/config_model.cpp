#include "llmsize/app/config_model.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/architectures.hpp"
#include "llmsize/core/tensor_template.hpp"
#include "llmsize/hf/config.hpp"

namespace llmsize::app {
namespace {

constexpr std::string_view file_name = "config.json";

bool is_file(const std::string& name) {
  return name.ends_with(".json");
}

/// `error`, with the file it is about.
Error in_file(const std::string& path, const Error& error) {
  return {error.code, fmt::format("{}: {}", path, error.message), error.hint};
}

/// The last part of a path; of "folder/config.json", the folder's.
std::string model_name(std::string path) {
  if (path.ends_with(file_name)) path.resize(path.size() - file_name.size());
  while (path.ends_with('/')) path.pop_back();
  const auto slash = path.rfind('/');
  const auto name = slash == std::string::npos ? path : path.substr(slash + 1);
  return name.empty() ? std::string(file_name) : name;
}

}  // namespace

bool names_config(const Services& services, const std::string& name) {
  return is_file(name) ||
         (services.files.is_folder(name) && services.files.exists(fmt::format("{}/{}", name, file_name)));
}

Result<Model> load_config_model(const Services& services, const std::string& name) {
  const std::string path = is_file(name) ? name : fmt::format("{}/{}", name, file_name);
  const auto text = services.files.read_text(path);
  if (!text) return tl::unexpected(text.error());
  const auto config = nlohmann::json::parse(*text, nullptr, false);
  if (config.is_discarded() || !config.is_object())
    return fail(ErrorCode::malformed, fmt::format("{}: is not a JSON object", path),
                "Name a model's config.json or a GGUF file.");
  const auto architecture = catalog::load_architecture_of_class(services.catalog, hf::class_names(config));
  if (!architecture) return tl::unexpected(in_file(path, architecture.error()));
  const auto general = catalog::load_config_keys(services.catalog);
  if (!general) return tl::unexpected(general.error());
  auto values = hf::read_config(config, *general, *architecture);
  if (!values) return tl::unexpected(in_file(path, values.error()));
  auto tensors = expand_tensors(*architecture, *values);
  if (!tensors) return tl::unexpected(in_file(path, tensors.error()));

  Model model;
  model.id = model_name(path);
  model.name = model.id;
  model.architecture = architecture->id;
  model.source = ModelSource::config;
  model.origin = name;
  model.hyperparameters = *std::move(values);
  model.tensors = *std::move(tensors);
  return model;
}

}  // namespace llmsize::app
