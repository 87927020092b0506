#pragma once
#include <string>

#include "llmsize/app/services.hpp"
#include "llmsize/core/model.hpp"
#include "llmsize/core/result.hpp"

namespace llmsize::app {

/// The model that "hf:ORG/REPO[@REVISION][:QUANT]" names: a GGUF file of the repository by its header, else
/// its config.json and safetensors headers. What the hub's own tools have on this disk goes before the
/// network.
///
/// `quant` chooses the GGUF file where the name does not, and is emptied then. Errors: usage, network,
/// not_found where no file has that quant; whatever reading can fail with.
Result<Model> load_hub_model(const Services& services, const std::string& name, std::string& quant);

/// The projector in the repository that such a name names. Errors: not_found where it has none.
Result<Model> load_hub_projector(const Services& services, const std::string& name);

}  // namespace llmsize::app
