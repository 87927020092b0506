#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "llmsize/app/companions.hpp"
#include "llmsize/app/services.hpp"
#include "llmsize/core/architecture.hpp"
#include "llmsize/core/footprint.hpp"
#include "llmsize/core/model.hpp"
#include "llmsize/core/placement.hpp"
#include "llmsize/core/quantize.hpp"
#include "llmsize/core/run.hpp"
#include "llmsize/core/weights.hpp"

namespace llmsize::app {

/// What anything not yet quantized is sized at unless --quant says otherwise: the most published file type.
inline constexpr const char* default_file_type = "Q4_K_M";

/// What does not depend on the run: a model with final types, and its architecture.
struct LoadedModel {
  Model model;
  Architecture architecture;
  std::string quant;
  WeightSizes weights;
  SizedPart file;
};

/// Which model, how quantized, run how: everything that decides bytes.
struct SizingRequest {
  std::string model;  ///< A path, an hf:, ollama: or lmstudio: name, a catalog id or alias.
  std::string quant;  ///< File type; empty: the file's own, or Q4_K_M for anything that is not yet quantized.
  QuantizeOptions quantize;
  RunRequest run;
  Residency residency;
  OffloadRequest offload;  ///< Without devices everything is on the host.
  CompanionRequest companions;
  std::shared_ptr<const LoadedModel> loaded;  ///< Of `model` and `quant`, for many runs of one model.
  friend bool operator==(const SizingRequest&, const SizingRequest&) = default;
};

/// A sized model, with what it was sized from.
struct Sizing {
  Model model;  ///< With final tensor types.
  Architecture architecture;
  std::string quant;
  Run run;
  WeightSizes weights;
  SizedPart file;
  ContextLayout context;
  Footprint footprint;
  std::vector<std::string> notes;
};

/// A model as it was found, before it is given other types.
struct FoundModel {
  Model model;
  Architecture architecture;
  std::string quant;  ///< What to quantize to; empty: nothing, or the default.
};

/// Errors: those of finding the model and its architecture.
Result<FoundModel> find_for_sizing(const Services& services, const SizingRequest& request);
/// Gives a found model its final types. Errors: those of the quantizer.
Result<LoadedModel> load_for_sizing(const Services& services, const SizingRequest& request, FoundModel found);
/// Finds the model and gives it its final types. Errors: those of finding it and of the quantizer.
Result<LoadedModel> load_for_sizing(const Services& services, const SizingRequest& request);

/// The one pipeline from a request to bytes; estimate, plan and fit all use it. `known_scratch`, where given,
/// is what the same model and run needed at other tensor types; it serves runs without devices.
Result<Sizing> size_model(const Services& services, const SizingRequest& request,
                          const Scratch* known_scratch = nullptr);

}  // namespace llmsize::app
