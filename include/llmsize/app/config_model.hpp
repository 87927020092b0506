#pragma once
#include <string>

#include "llmsize/app/services.hpp"
#include "llmsize/core/model.hpp"
#include "llmsize/core/result.hpp"

namespace llmsize::app {

/// Whether `name` is a Hugging Face config.json, or a folder that has one.
bool names_config(const FileReader& files, const std::string& name);

/// The model that the config.json at `name` describes, as converting its weights to F16 would give it. Where
/// the folder has safetensors files, their headers say what is really stored: notes compare it with the
/// config.json. `as_published` keeps types that the engine's converter keeps (MXFP4 experts), which is what
/// is loaded unless a quant type is asked for.
/// Errors: not_found, unreadable, malformed, unsupported for an architecture the catalog does not describe.
Result<Model> load_config_model(const Services& services, const FileReader& files, const std::string& name,
                                bool as_published);

}  // namespace llmsize::app
