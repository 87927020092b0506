#include "llmsize/app/config_model.hpp"

#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/app/published_weights.hpp"
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

/// Layers before those for next-token prediction.
std::int64_t main_layers(const Hyperparameters& values) {
  return values.integer("block_count").value_or(0) - values.integer("nextn_predict_layers").value_or(0);
}

/// The converter keeps MXFP4 blocks as they are and stores the other matrices as BF16.
/// Source: llama.cpp v0.5.0, convert_hf_to_gguf.py (GptOssModel).
void keep_published_types(const TypeTable& types, Model& model) {
  const TensorType* experts = types.find("mxfp4");
  const TensorType* matrices = types.find("bf16");
  if (experts == nullptr || matrices == nullptr) return;
  for (auto& tensor : model.tensors) {
    if (tensor.type != tensor_type::f16) continue;
    const bool expert = tensor.dimensions[2] > 1 && experts->divides(tensor.dimensions[0]);
    tensor.type = expert ? *experts : *matrices;
  }
  model.types_are_final = true;
  model.notes.emplace_back(
      "sized as published: experts stay MXFP4 and other matrices BF16, as the engine's converter leaves "
      "them; "
      "--quant sizes another type");
}

}  // namespace

bool names_config(const FileReader& files, const std::string& name) {
  return is_file(name) || (files.is_folder(name) && files.exists(fmt::format("{}/{}", name, file_name)));
}

Result<Model> load_config_model(const Services& services, const FileReader& files, const std::string& name,
                                bool as_published) {
  const std::string path = is_file(name) ? name : fmt::format("{}/{}", name, file_name);
  const auto text = files.read_text(path);
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
  std::optional<hf::PublishedWeights> weights;
  if (path.ends_with(file_name)) {
    const std::string folder = path.substr(0, path.size() - file_name.size());
    auto read = read_published_weights(files, folder, config, main_layers(*values));
    if (!read) return tl::unexpected(read.error());
    weights = std::move(*read);
  }
  // What is stored goes before what a config.json leaves unsaid about it.
  if (weights && !weights->has_output) values->set("feature.tied_embeddings", std::int64_t{1});
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
  if (weights) {
    model.notes.push_back(published_note(*weights, model));
    if (as_published && weights->mxfp4_experts) keep_published_types(services.types, model);
  }
  return model;
}

}  // namespace llmsize::app
