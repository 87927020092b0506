#pragma once
#include <string>

#include "llmsize/app/services.hpp"
#include "llmsize/core/model.hpp"
#include "llmsize/core/result.hpp"

namespace llmsize::app {

/// Whether `name` is a Hugging Face config.json, or a folder that has one.
bool names_config(const Services& services, const std::string& name);

/// The model that the config.json at `name` describes, as converting its weights to F16 would give it.
/// Errors: not_found, unreadable, malformed, unsupported for an architecture the catalog does not describe.
Result<Model> load_config_model(const Services& services, const std::string& name);

}  // namespace llmsize::app
