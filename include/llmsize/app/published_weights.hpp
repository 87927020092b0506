#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "llmsize/core/model.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/hf/safetensors.hpp"
#include "llmsize/ports/file_reader.hpp"

namespace llmsize::app {

/// What the safetensors files in `folder` (ending in '/') hold, by their headers; absent where there are
/// none, or some of those that the index names are missing. Errors: unreadable, malformed.
Result<std::optional<hf::PublishedWeights>> read_published_weights(const FileReader& files,
                                                                   const std::string& folder,
                                                                   const nlohmann::json& config,
                                                                   std::int64_t layers);

/// One sentence for people: files, bytes, types, and whether the parameters are those of `model`.
std::string published_note(const hf::PublishedWeights& weights, const Model& model);

}  // namespace llmsize::app
