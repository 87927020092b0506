#pragma once
#include <string>
#include <vector>

#include "llmsize/app/services.hpp"
#include "llmsize/core/model.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize::app {

/// A model that some program has put on this disk.
struct LocalModel {
  std::string name;    ///< What -m takes: "ollama:qwen2.5:7b", "lmstudio:PUBLISHER/REPO/FILE.gguf".
  std::string path;    ///< Its (first) file, or the folder of its config.json.
  Bytes size;          ///< All its files.
  std::string source;  ///< "Hugging Face", "Ollama" or "LM Studio".
};

/// Everything in the caches of Hugging Face, Ollama and LM Studio, by name. Stores that are absent or damaged
/// give nothing.
std::vector<LocalModel> local_models(const Services& services);

/// The newest snapshot of a repository in the hub's own cache, as a folder; empty where there is none.
std::string hub_snapshot(const Services& services, const std::string& id, const std::string& revision);

/// Files below `folder` with paths relative to it, at most `depth` folders deep.
std::vector<std::string> files_below(const FileReader& files, const std::string& folder, int depth);

/// The file that holds the weights of "ollama:NAME[:TAG]". Errors: not_found with similar names, malformed
/// for a damaged manifest.
Result<std::string> ollama_file(const Services& services, const std::string& name);

/// The file that "lmstudio:PUBLISHER/REPO[/FILE.gguf][:QUANT]" names. Errors: not_found with similar names.
Result<std::string> lmstudio_file(const Services& services, const std::string& name);

/// The digest of the model layer in an Ollama manifest, "sha256:…". Errors: malformed.
Result<std::string> parse_ollama_manifest(std::string_view json, const std::string& path);

}  // namespace llmsize::app
