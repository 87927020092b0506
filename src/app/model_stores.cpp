#include "llmsize/app/model_stores.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "llmsize/core/text.hpp"
#include "llmsize/gguf/shards.hpp"
#include "llmsize/hf/repository.hpp"

namespace llmsize::app {
namespace {

constexpr const char* ollama_registry = "registry.ollama.ai";
constexpr const char* ollama_library = "library";
constexpr const char* ollama_model_layer = "application/vnd.ollama.image.model";
/// Where the service that Linux packages install keeps models.
constexpr const char* ollama_service_folder = "/usr/share/ollama/.ollama/models";
constexpr std::string_view ollama_prefix = "ollama:", lmstudio_prefix = "lmstudio:";
constexpr std::string_view repository_prefix = "models--";
constexpr Bytes most_manifest = mebibytes(4);
/// A store with more entries is cut there; nobody keeps as many models.
constexpr std::size_t most_files = 20'000;

std::string variable(const Services& services, const char* name) {
  return services.environment.variable(name).value_or("");
}

std::string home(const Services& services) {
  return variable(services, "HOME");
}

std::string hub_cache_folder(const Services& services) {
  if (auto folder = variable(services, "HF_HUB_CACHE"); !folder.empty()) return folder;
  if (auto folder = variable(services, "HF_HOME"); !folder.empty()) return folder + "/hub";
  if (auto folder = variable(services, "XDG_CACHE_HOME"); !folder.empty()) return folder + "/huggingface/hub";
  return home(services) + "/.cache/huggingface/hub";
}

std::string ollama_folder(const Services& services) {
  if (auto folder = variable(services, "OLLAMA_MODELS"); !folder.empty()) return folder;
  const std::string own = home(services) + "/.ollama/models";
  return services.files.is_folder(own) || !services.files.is_folder(ollama_service_folder)
             ? own
             : ollama_service_folder;
}

std::string lmstudio_folder(const Services& services) {
  const std::string now = home(services) + "/.lmstudio/models",
                    before = home(services) + "/.cache/lm-studio/models";
  return services.files.is_folder(now) || !services.files.is_folder(before) ? now : before;
}

void collect(const FileReader& files, const std::string& folder, const std::string& below, int depth,
             std::vector<std::string>& out) {
  const auto names = files.list(folder);
  if (!names) return;
  for (const auto& name : *names) {
    if (out.size() >= most_files) return;
    const std::string path = folder + "/" + name;
    if (!files.is_folder(path))
      out.push_back(below + name);
    else if (depth > 0)
      collect(files, path, below + name + "/", depth - 1, out);
  }
}

Bytes size_of(const FileReader& files, const std::string& path) {
  const auto file = files.open(path);
  return file ? (*file)->size() : Bytes();
}

/// A GGUF file's size, of shards all that are there.
Bytes model_size(const FileReader& files, const std::string& path) {
  const auto shard = gguf::parse_shard_name(path);
  if (!shard) return size_of(files, path);
  Bytes total;
  constexpr int most_shards = 1000;
  for (int number = 1; number <= std::min(shard->count, most_shards); ++number)
    total += size_of(files, shard->path(number));
  return total;
}

bool is_digest(std::string_view digest) {
  constexpr std::string_view kind = "sha256:";
  constexpr std::size_t digits = 64;
  return digest.size() == kind.size() + digits && digest.starts_with(kind) &&
         std::all_of(digest.begin() + kind.size(), digest.end(),
                     [](unsigned char c) { return std::isdigit(c) != 0 || (c >= 'a' && c <= 'f'); });
}

/// "qwen2.5:7b" for the manifest "registry.ollama.ai/library/qwen2.5/7b", more of the path for other owners
/// and registries. Empty where the path is none of a manifest.
std::string ollama_name(const std::string& manifest) {
  const auto slash = manifest.rfind('/');
  if (slash == std::string::npos) return {};
  std::string name = manifest.substr(0, slash) + ":" + manifest.substr(slash + 1);
  for (const std::string& usual :
       {std::string(ollama_registry) + "/" + ollama_library + "/", std::string(ollama_registry) + "/"})
    if (name.starts_with(usual)) return name.substr(usual.size());
  return name;
}

constexpr int manifest_depth = 3;

/// Names of all models in Ollama's store, with the manifests' paths.
std::vector<std::pair<std::string, std::string>> ollama_models(const Services& services) {
  const std::string folder = ollama_folder(services) + "/manifests";
  std::vector<std::pair<std::string, std::string>> models;
  for (const auto& path : files_below(services.files, folder, manifest_depth))
    if (auto name = ollama_name(path); !name.empty())
      models.emplace_back(std::move(name), folder + "/" + path);
  return models;
}

Result<std::string> ollama_blob(const Services& services, const std::string& manifest) {
  const auto text = services.files.read_text(manifest, most_manifest);
  if (!text) return tl::unexpected(text.error());
  auto digest = parse_ollama_manifest(*text, manifest);
  if (!digest) return digest;
  std::replace(digest->begin(), digest->end(), ':', '-');
  return ollama_folder(services) + "/blobs/" + *digest;
}

tl::unexpected<Error> unknown_name(const std::string& name, const std::string& folder,
                                   std::vector<std::string> names) {
  const std::string near = nearest(name, names);
  constexpr std::size_t most_named = 8;
  if (names.size() > most_named) names.resize(most_named);
  return fail(ErrorCode::not_found, fmt::format("{}: no such model in {}", name.substr(0, 200), folder),
              !near.empty()   ? fmt::format("Did you mean {}?", near)
              : names.empty() ? "There are no models in it."
                              : fmt::format("There are: {}.", fmt::join(names, ", ")));
}

void add_ollama(const Services& services, std::vector<LocalModel>& out) {
  for (const auto& [name, manifest] : ollama_models(services)) {
    const auto blob = ollama_blob(services, manifest);
    if (blob && services.files.exists(*blob))
      out.push_back({std::string(ollama_prefix) + name, *blob, size_of(services.files, *blob), "Ollama"});
  }
}

/// Models in LM Studio's folder, as "PUBLISHER/REPO/FILE.gguf".
std::vector<std::string> lmstudio_models(const Services& services) {
  constexpr int depth = 3;
  auto paths = files_below(services.files, lmstudio_folder(services), depth);
  paths.erase(
      std::remove_if(paths.begin(), paths.end(), [](const auto& path) { return !hf::is_model_file(path); }),
      paths.end());
  return paths;
}

void add_lmstudio(const Services& services, std::vector<LocalModel>& out) {
  for (const auto& inner : lmstudio_models(services)) {
    const std::string path = lmstudio_folder(services) + "/" + inner;
    out.push_back(
        {std::string(lmstudio_prefix) + inner, path, model_size(services.files, path), "LM Studio"});
  }
}

void add_snapshot(const Services& services, const std::string& id, std::vector<LocalModel>& out) {
  const std::string folder = hub_snapshot(services, id, "main");
  if (folder.empty()) return;
  constexpr int shard_folders = 2;
  const auto paths = files_below(services.files, folder, shard_folders);
  Bytes weights;
  bool has_gguf = false;
  for (const auto& path : paths) {
    if (path.ends_with(".safetensors")) weights += size_of(services.files, folder + "/" + path);
    if (!hf::is_model_file(path)) continue;
    has_gguf = true;
    const std::string file = folder + "/" + path;
    out.push_back(
        {fmt::format("hf:{}:{}", id, path), file, model_size(services.files, file), "Hugging Face"});
  }
  const bool has_config = std::find(paths.begin(), paths.end(), "config.json") != paths.end();
  if (!has_gguf && has_config && weights > Bytes())
    out.push_back({"hf:" + id, folder, weights, "Hugging Face"});
}

void add_hub(const Services& services, std::vector<LocalModel>& out) {
  const auto names = services.files.list(hub_cache_folder(services));
  if (!names) return;
  for (const auto& name : *names) {
    if (!name.starts_with(repository_prefix)) continue;
    std::string id = name.substr(repository_prefix.size());
    const auto dashes = id.find("--");
    if (dashes == std::string::npos) continue;
    add_snapshot(services, id.replace(dashes, 2, "/"), out);
  }
}

}  // namespace

std::vector<std::string> files_below(const FileReader& files, const std::string& folder, int depth) {
  std::vector<std::string> out;
  collect(files, folder, "", depth, out);
  return out;
}

std::string hub_snapshot(const Services& services, const std::string& id, const std::string& revision) {
  std::string name = id;
  if (const auto slash = name.find('/'); slash != std::string::npos) name.replace(slash, 1, "--");
  const std::string folder = fmt::format("{}/{}{}", hub_cache_folder(services), repository_prefix, name);
  // A branch or tag is a file that holds the commit; a commit is a snapshot's own name.
  std::string commit = services.files.read_text(folder + "/refs/" + revision, Bytes(256)).value_or(revision);
  while (!commit.empty() && std::isspace(static_cast<unsigned char>(commit.back())) != 0) commit.pop_back();
  const bool plain =
      !commit.empty() && commit != "." && commit != ".." && commit.find('/') == std::string::npos;
  const std::string snapshot = folder + "/snapshots/" + commit;
  return plain && services.files.is_folder(snapshot) ? snapshot : std::string();
}

Result<std::string> parse_ollama_manifest(std::string_view json, const std::string& path) {
  const auto malformed = [&](const char* what) {
    return fail(ErrorCode::malformed, fmt::format("{}: {}", path, what), "Pull the model again.");
  };
  const auto document = nlohmann::json::parse(json, nullptr, false);
  if (!document.is_object()) return malformed("the manifest is not a JSON object");
  const auto layers = document.find("layers");
  if (layers == document.end() || !layers->is_array()) return malformed("the manifest has no \"layers\"");
  for (const auto& layer : *layers) {
    if (!layer.is_object()) continue;
    const auto kind = layer.find("mediaType"), digest = layer.find("digest");
    if (kind == layer.end() || *kind != ollama_model_layer || digest == layer.end() || !digest->is_string())
      continue;
    if (!is_digest(digest->get_ref<const std::string&>()))
      return malformed("the model layer's digest is none of SHA-256");
    return digest->get<std::string>();
  }
  return malformed("the manifest has no model layer");
}

Result<std::string> ollama_file(const Services& services, const std::string& name) {
  std::string wanted = name.substr(name.starts_with(ollama_prefix) ? ollama_prefix.size() : 0);
  if (const auto slash = wanted.rfind('/');
      wanted.find(':', slash == std::string::npos ? 0 : slash) == std::string::npos)
    wanted += ":latest";
  std::vector<std::string> names;
  for (auto& [known, manifest] : ollama_models(services)) {
    if (lower_case(known) != lower_case(wanted)) {
      names.push_back(std::string(ollama_prefix) + known);
      continue;
    }
    auto blob = ollama_blob(services, manifest);
    if (blob && !services.files.exists(*blob))
      return fail(ErrorCode::not_found, fmt::format("{}: its weights are not there ({})", name, *blob),
                  "Pull the model again.");
    return blob;
  }
  return unknown_name(name, ollama_folder(services), std::move(names));
}

Result<std::string> lmstudio_file(const Services& services, const std::string& name) {
  std::string wanted = name.substr(name.starts_with(lmstudio_prefix) ? lmstudio_prefix.size() : 0);
  std::string quant;
  if (const auto colon = wanted.rfind(':'); colon != std::string::npos) {
    quant = wanted.substr(colon + 1);
    wanted.resize(colon);
  }
  const auto models = lmstudio_models(services);
  std::vector<hf::RepositoryFile> matching;
  for (const auto& path : models)
    if (path == wanted || path.starts_with(wanted + "/")) matching.push_back({path, std::nullopt});
  if (matching.empty() || wanted.empty()) {
    std::vector<std::string> names;
    for (const auto& path : models) names.push_back(std::string(lmstudio_prefix) + path);
    return unknown_name(name, lmstudio_folder(services), std::move(names));
  }
  const auto chosen = hf::choose_gguf(matching, quant, name);
  if (!chosen) return tl::unexpected(chosen.error());
  return lmstudio_folder(services) + "/" + **chosen;
}

std::vector<LocalModel> local_models(const Services& services) {
  std::vector<LocalModel> out;
  add_hub(services, out);
  add_ollama(services, out);
  add_lmstudio(services, out);
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

}  // namespace llmsize::app
