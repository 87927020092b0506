#pragma once
#include <string>

#include "llmsize/app/services.hpp"
#include "llmsize/core/model.hpp"
#include "llmsize/core/result.hpp"

namespace llmsize::app {

/// Finds a model by what the user wrote, in this order: a name that says where it is kept
/// ("hf:ORG/REPO:QUANT", "ollama:NAME:TAG", "lmstudio:PUBLISHER/REPO"), an existing file or folder, *.gguf, a
/// catalog id, an alias.
///
/// `quant` is the file type asked for, or empty. It receives what an alias such as
/// "qwen2.5-coder:14b-instruct-q4_K_M" implies, and becomes empty where it chose among a repository's files.
/// Errors: not_found with similar names; whatever reading can fail with.
Result<Model> find_model(const Services& services, const std::string& name, std::string& quant);

/// Whether `name` can only be a file or a kept model, so that its words state nothing about a model by that
/// name.
bool names_a_file(const std::string& name);

}  // namespace llmsize::app
