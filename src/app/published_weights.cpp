#include "llmsize/app/published_weights.hpp"

#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "llmsize/core/text.hpp"

namespace llmsize::app {
namespace {

constexpr const char* index_name = "model.safetensors.index.json";
constexpr const char* single_name = "model.safetensors";
/// A model of the largest kind has an index of some 10 MB.
constexpr Bytes most_index = mebibytes(32);

hf::Packing packing_of(const nlohmann::json& config) {
  hf::Packing packing;
  auto found = config.find("quantization_config");
  if (found == config.end() || !found->is_object()) {
    const auto text = config.find("text_config");
    if (text == config.end() || !text->is_object()) return packing;
    found = text->find("quantization_config");
    if (found == text->end() || !found->is_object()) return packing;
  }
  const auto method = found->find("quant_method"), bits = found->find("bits");
  if (method != found->end() && method->is_string()) packing.method = method->get<std::string>();
  if (bits != found->end() && bits->is_number_unsigned() && bits->get<std::uint64_t>() <= 32)
    packing.bits = bits->get<std::int64_t>();
  return packing;
}

Result<std::vector<std::string>> weight_files(const FileReader& files, const std::string& folder) {
  if (!files.exists(folder + index_name))
    return files.exists(folder + single_name) ? std::vector<std::string>{single_name}
                                              : std::vector<std::string>();
  const auto text = files.read_text(folder + index_name, most_index);
  if (!text) return tl::unexpected(text.error());
  const auto names = hf::parse_index(*text, folder + index_name);
  if (!names) return tl::unexpected(names.error());
  return std::vector<std::string>(names->begin(), names->end());
}

/// Tensors that only the converter makes.
bool is_made_by_converter(const std::string& name) {
  return name.starts_with("rope_f");
}

}  // namespace

Result<std::optional<hf::PublishedWeights>> read_published_weights(const FileReader& files,
                                                                   const std::string& folder,
                                                                   const nlohmann::json& config,
                                                                   std::int64_t layers) {
  const auto names = weight_files(files, folder);
  if (!names) return tl::unexpected(names.error());
  for (const auto& name : *names)
    if (!files.exists(folder + name)) return std::optional<hf::PublishedWeights>();
  if (names->empty()) return std::optional<hf::PublishedWeights>();
  const auto packing = packing_of(config);
  hf::PublishedWeights weights;
  for (const auto& name : *names) {
    auto file = files.open(folder + name);
    if (!file) return tl::unexpected(file.error());
    const auto tensors = hf::read_safetensors(**file, folder + name);
    if (!tensors) return tl::unexpected(tensors.error());
    hf::add_tensors(weights, *tensors, packing, layers);
  }
  return std::optional(std::move(weights));
}

std::string published_note(const hf::PublishedWeights& weights, const Model& model) {
  std::vector<std::string> types;
  for (const auto& [dtype, stored] : weights.types)
    types.push_back(fmt::format("{} {}", grouped(stored.bytes.value()), dtype.substr(0, 16)));
  ParamCount described;
  for (const auto& tensor : model.tensors)
    if (!is_made_by_converter(tensor.name)) described += ParamCount(tensor.elements());
  const auto text = weights.text_params.value(),
             all = (weights.text_params + weights.next_token_params).value();
  const std::string agreement =
      described.value() == text || described.value() == all
          ? "parameters, as the config.json gives"
          : fmt::format("parameters, but the config.json gives {}: sizes follow the config.json",
                        grouped(described.value()));
  std::string beside;
  if (weights.next_token_params > ParamCount() && described.value() != all)
    beside += fmt::format("; {} more in next-token layers", params_text(weights.next_token_params));
  if (weights.other_params > ParamCount())
    beside += fmt::format("; {} more for vision or audio", params_text(weights.other_params));
  return fmt::format("published as {} bytes of tensors in {} safetensors file{} ({} bytes): {} {}{}",
                     grouped(weights.bytes.value()), weights.files, weights.files == 1 ? "" : "s",
                     fmt::join(types, ", "), grouped(described.value() == all ? all : text), agreement,
                     beside);
}

}  // namespace llmsize::app
