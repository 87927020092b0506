#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "llmsize/core/result.hpp"
#include "llmsize/core/tensor.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {
struct Footprint;
}

namespace llmsize::app {

struct Services;
struct Sizing;
struct SizingRequest;

/// What runs beside the model in the same process, in llama-server's terms.
struct CompanionRequest {
  std::vector<std::string> adapters;             ///< --lora: GGUF files.
  std::string projector;                         ///< --mmproj: a GGUF file.
  bool catalog_projector = false;                ///< --mmproj-auto: the repository's, or the catalog's.
  bool projector_offload = true;                 ///< --mmproj-offload: on the first device.
  std::string draft_model;                       ///< -md: as --model.
  std::string draft_quant;                       ///< Of a draft model that is not quantized yet.
  std::optional<std::int64_t> draft_gpu_layers;  ///< -ngld; absent: all.
  std::optional<TensorType> draft_cache_type_k;  ///< -ctkd
  std::optional<TensorType> draft_cache_type_v;  ///< -ctvd
  std::optional<std::int64_t> draft_tokens;      ///< --spec-draft-n-max
  bool next_token_layers = false;                ///< --spec-type draft-mtp
  std::optional<Bytes> orchestration;            ///< --orchestration: what runs around the engine.

  [[nodiscard]] bool drafts() const { return !draft_model.empty() || next_token_layers; }
  /// Drafted tokens per slot, which the target checks at once; 0 without drafting.
  [[nodiscard]] std::int64_t drafted() const;
  friend bool operator==(const CompanionRequest&, const CompanionRequest&) = default;
};

/// Adds what `request` names to the footprint of a sized model. Errors: those of reading the files and of
/// sizing the draft; malformed for an adapter of another model, usage for next-token layers of a model
/// without any.
Result<void> add_companions(const Services& services, const SizingRequest& request, Sizing& sizing);

/// Adds what runs around the engine, which needs no model.
void add_orchestration(const CompanionRequest& request, Footprint& footprint);

}  // namespace llmsize::app
