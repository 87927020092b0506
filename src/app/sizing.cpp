#include "llmsize/app/sizing.hpp"

#include <fmt/format.h>

#include "llmsize/app/find_model.hpp"
#include "llmsize/catalog/architectures.hpp"
#include "llmsize/catalog/file_types.hpp"
#include "llmsize/catalog/vocabularies.hpp"
#include "llmsize/core/text.hpp"
#include "llmsize/core/weights.hpp"

namespace llmsize::app {
namespace {

/// A file's name for the types it holds, by general.file_type; words where that says nothing.
std::string own_file_type(const Services& services, const Model& model) {
  const std::string name = model.file_type ? catalog::file_type_name(services.catalog, *model.file_type) : "";
  if (!name.empty()) return name;
  return model.source == ModelSource::gguf ? "its own types" : "its published types";
}

/// The types of a file converted from published weights to F32, F16 or BF16: matrices take that type, all
/// else stays F32. (The quantizer, run on such a file, would turn a few F32 matrices too.)
std::vector<TensorType> converted_types(const Model& model, const TensorType& matrices) {
  std::vector<TensorType> types;
  types.reserve(model.tensors.size());
  for (const auto& tensor : model.tensors)
    types.push_back(tensor.type == tensor_type::f16 ? matrices : tensor.type);
  return types;
}

/// What lies on disk: the file type and the sizes of its tensors.
struct QuantizedArtifact {
  std::string quant;
  WeightSizes weights;
};

/// An F32, F16 or BF16 artifact of a model without a file. What is loaded is the file that converting the
/// published weights gives; the quantizer's own output, which the artifact describes, differs from it for a
/// few architectures.
QuantizedArtifact convert(Model& model, const FileType& file_type,
                          const std::vector<TensorType>& quantizer_types) {
  QuantizedArtifact artifact{file_type.id, weight_sizes(with_types(model, quantizer_types))};
  const auto types = converted_types(model, file_type.default_type);
  model = with_types(std::move(model), types);
  const Bytes loaded = weight_sizes(model).tensors;
  if (loaded != artifact.weights.tensors)
    model.notes.push_back(fmt::format(
        "converting the published weights to {} keeps some matrices at f32 ({}), which memory counts; "
        "running the quantizer to {} on that file gives {}",
        file_type.id, size_text(loaded), file_type.id, size_text(artifact.weights.tensors)));
  return artifact;
}

/// --pure and the like where nothing is quantized, or a --tensor-type that no tensor takes.
void note_idle_types(const Services& services, const SizingRequest& request, const FileType* file_type,
                     const std::vector<TensorType>& types, Model& model) {
  const QuantizeOptions& asked = request.quantize;
  QuantizeOptions others = asked;
  others.tensor_types.clear();
  if (file_type == nullptr) {
    if (asked.pure || asked.output_tensor_type || asked.token_embedding_type || !asked.tensor_types.empty())
      model.notes.emplace_back("the file keeps its types: flags about single types need --quant");
  } else if (!asked.tensor_types.empty()) {
    const auto without = quantized_types(model, *file_type, services.types, others);
    if (without && *without == types)
      model.notes.emplace_back("--tensor-type changes nothing: no tensor of that name takes another type");
  }
}

/// Gives `model` its final types and says what that makes on disk.
Result<QuantizedArtifact> quantize(const Services& services, const SizingRequest& request,
                                   const std::string& quant, Model& model) {
  if (quant.empty() && (model.source == ModelSource::gguf || model.types_are_final)) {
    note_idle_types(services, request, nullptr, {}, model);
    return QuantizedArtifact{own_file_type(services, model), weight_sizes(model)};
  }
  const auto file_type =
      catalog::load_file_type(services.catalog, services.types, quant.empty() ? default_file_type : quant);
  if (!file_type) return tl::unexpected(file_type.error());
  const auto types = quantized_types(model, *file_type, services.types, request.quantize);
  if (!types) return tl::unexpected(types.error());
  note_idle_types(services, request, &*file_type, *types, model);
  if (!file_type->mixes && model.source != ModelSource::gguf) return convert(model, *file_type, *types);
  const std::string needs_matrix =
      request.quantize.imatrix ? "" : needs_importance_matrix(model, *file_type, *types);
  if (!needs_matrix.empty())
    model.notes.push_back(
        fmt::format("the quantizer makes {} only with an importance matrix ({}); --imatrix sizes that file",
                    file_type->id, needs_matrix));
  model = with_types(std::move(model), *types);
  return QuantizedArtifact{file_type->id, weight_sizes(model)};
}

/// The architecture's rules; an empty set for a file of an architecture nobody described, whose weights can
/// be sized all the same.
Result<Architecture> architecture_of(const Services& services, const Model& model) {
  auto architecture = catalog::load_architecture(services.catalog, model.architecture);
  if (architecture || architecture.error().code != ErrorCode::not_found) return architecture;
  Architecture unknown;
  unknown.id = model.architecture;
  return unknown;
}

}  // namespace

Result<FoundModel> find_for_sizing(const Services& services, const SizingRequest& request) {
  FoundModel found;
  found.quant = request.quant;
  auto model = find_model(services, request.model, found.quant);
  if (!model) return tl::unexpected(model.error());
  auto architecture = architecture_of(services, *model);
  if (!architecture) return tl::unexpected(architecture.error());
  found.model = std::move(*model);
  found.architecture = std::move(*architecture);
  return found;
}

Result<LoadedModel> load_for_sizing(const Services& services, const SizingRequest& request,
                                    FoundModel found) {
  LoadedModel loaded;
  auto artifact = quantize(services, request, found.quant, found.model);
  if (!artifact) return tl::unexpected(artifact.error());
  loaded.quant = std::move(artifact->quant);
  loaded.weights = std::move(artifact->weights);
  auto file = catalog::file_size(services.catalog, found.model);
  if (!file) return tl::unexpected(file.error());
  loaded.file = std::move(*file);
  loaded.architecture = std::move(found.architecture);
  loaded.model = std::move(found.model);
  return loaded;
}

Result<LoadedModel> load_for_sizing(const Services& services, const SizingRequest& request) {
  auto found = find_for_sizing(services, request);
  if (!found) return tl::unexpected(found.error());
  return load_for_sizing(services, request, std::move(*found));
}

Result<Sizing> size_model(const Services& services, const SizingRequest& request,
                          const Scratch* known_scratch) {
  auto loaded = request.loaded ? Result<LoadedModel>(*request.loaded) : load_for_sizing(services, request);
  if (!loaded) return tl::unexpected(loaded.error());
  Sizing sizing;
  sizing.quant = std::move(loaded->quant);
  sizing.weights = std::move(loaded->weights);
  sizing.file = std::move(loaded->file);
  sizing.architecture = std::move(loaded->architecture);
  Model& model = loaded->model;
  sizing.notes = model.notes;

  RunRequest run_request = request.run;
  if (request.companions.drafts()) run_request.draft_tokens = request.companions.drafted();
  auto run = resolve_run(run_request, model, sizing.architecture);
  if (!run) return tl::unexpected(run.error());
  sizing.run = std::move(*run);
  if (auto context = context_layout(model, sizing.architecture, sizing.run))
    sizing.context = std::move(*context);
  auto bytes = request.offload.devices.empty()
                   ? footprint(model, sizing.architecture, sizing.run, request.residency, known_scratch)
                   : footprint(model, sizing.architecture, sizing.run, request.residency, request.offload);
  if (!bytes) return tl::unexpected(bytes.error());
  sizing.footprint = std::move(*bytes);
  if (!request.offload.overrides.empty() && !sizing.footprint.devices.empty() &&
      sizing.footprint.placement.overridden.empty())
    sizing.notes.emplace_back("--override-tensor changes nothing: no weight has such a name");
  sizing.model = std::move(model);
  for (const auto* notes : {&sizing.run.notes, &sizing.footprint.notes})
    sizing.notes.insert(sizing.notes.end(), notes->begin(), notes->end());
  if (auto added = add_companions(services, request, sizing); !added) return tl::unexpected(added.error());
  if (sizing.footprint.high.is_saturated())
    return fail(ErrorCode::overflow, "the sizes do not fit 64 bits", "One of the files named is damaged.");
  return sizing;
}

}  // namespace llmsize::app
