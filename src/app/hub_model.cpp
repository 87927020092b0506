#include "llmsize/app/hub_model.hpp"

#include <algorithm>
#include <cctype>
#include <functional>
#include <optional>

#include <fmt/format.h>

#include "llmsize/app/config_model.hpp"
#include "llmsize/app/model_stores.hpp"
#include "llmsize/gguf/reader.hpp"
#include "llmsize/hf/remote_files.hpp"

namespace llmsize::app {
namespace {

/// The answer for a repository of a thousand files takes some 200 kB.
constexpr Bytes most_listing = mebibytes(16);

/// A model and whether the quant that was asked for chose its file.
struct Loaded {
  Model model;
  bool chosen_by_quant = false;
};

std::string cache_folder(const Services& services, const hf::HubSettings& settings,
                         const hf::RepositoryName& name) {
  const auto variable = [&](const char* key) { return services.environment.variable(key).value_or(""); };
  std::string base = variable("XDG_CACHE_HOME");
  if (!base.starts_with('/')) base = variable("HOME") + "/.cache";
  if (!base.starts_with('/')) return {};
  std::string host = hf::origin_of(settings.endpoint);
  for (char& c : host)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.') c = '-';
  std::string repository = name.id;
  repository.replace(repository.find('/'), 1, "--");
  return fmt::format("{}/llmsize/hub/{}/{}", base, host, repository);
}

/// Reads the model that `listed` files hold below `prefix` of `files`. Absent where there is neither GGUF
/// file nor config.json.
Result<std::optional<Loaded>> read_listed(const Services& services, const FileReader& files,
                                          const std::string& prefix,
                                          const std::vector<hf::RepositoryFile>& listed,
                                          const std::string& shown, const std::string& quant) {
  const auto chosen = hf::choose_gguf(listed, quant, shown);
  if (!chosen) return tl::unexpected(chosen.error());
  if (*chosen) {
    auto model = read_gguf(files, prefix + **chosen, services.types);
    if (!model) return tl::unexpected(model.error());
    if (const auto projector = hf::choose_projector(listed); !projector.empty())
      model->notes.push_back(fmt::format(
          "the repository's projector {} is counted with --mmproj-auto only; the engine's -hf loads "
          "it unless --no-mmproj is given",
          projector));
    return std::optional(Loaded{*std::move(model), !quant.empty()});
  }
  const bool has_config =
      std::any_of(listed.begin(), listed.end(), [](const auto& file) { return file.path == "config.json"; });
  if (!has_config) return std::optional<Loaded>();
  auto model = load_config_model(services, files, prefix.substr(0, prefix.size() - 1), quant.empty());
  if (!model) return tl::unexpected(model.error());
  return std::optional(Loaded{*std::move(model), false});
}

/// Reads what is asked for out of the files that are listed below a prefix; absent where none of them is it.
using Reading = std::function<Result<std::optional<Loaded>>(const FileReader&, const std::string& prefix,
                                                            const std::vector<hf::RepositoryFile>& listed)>;

/// From the hub's own cache on this disk; absent where it lacks what is asked for, or only a part of it is
/// there.
std::optional<Loaded> read_cached(const Services& services, const hf::RepositoryName& name,
                                  const Reading& read) {
  const std::string folder = hub_snapshot(services, name.id, name.revision);
  if (folder.empty()) return std::nullopt;
  constexpr int shard_folders = 2;
  std::vector<hf::RepositoryFile> listed;
  for (auto& path : files_below(services.files, folder, shard_folders))
    listed.push_back({std::move(path), std::nullopt});
  auto loaded = read(services.files, folder + "/", listed);
  if (!loaded || !*loaded) return std::nullopt;
  (*loaded)->model.notes.push_back(
      fmt::format("read from the Hugging Face cache, without the network: {}", folder));
  return *std::move(loaded);
}

/// What the hub lists, or the last answer where the hub cannot be reached; `note` says so then.
Result<hf::Repository> list_repository(const hf::Hub& hub, const hf::HeaderCache& cache,
                                       const hf::RepositoryName& name, std::string& note) {
  const std::string kept_as = "listing-" + name.revision;
  const auto kept = cache.load(kept_as);
  const auto text = hub.document(
      fmt::format("/api/models/{}/revision/{}?blobs=true", name.id, hf::escape_path(name.revision)),
      most_listing);
  if (!text) {
    if (!kept) return tl::unexpected(text.error());
    note = fmt::format("the hub did not answer ({}); its last listing is used", text.error().message);
    return hf::parse_repository(kept->bytes);
  }
  auto repository = hf::parse_repository(*text);
  if (repository) cache.store(kept_as, {*text, static_cast<std::int64_t>(text->size())});
  return repository;
}

/// `nothing` is the error where the repository lacks what is asked for.
Result<Loaded> read_remote(const Services& services, const hf::RepositoryName& name, const std::string& shown,
                           const Reading& read, const Error& nothing) {
  if (services.http == nullptr) return fail(ErrorCode::network, fmt::format("{}: no network here", shown));
  auto settings = hf::hub_settings(services.environment, services.files);
  if (!settings) return tl::unexpected(settings.error());
  const std::string folder = cache_folder(services, *settings, name);
  const hf::Hub hub(*services.http, *std::move(settings));
  std::string note;
  auto repository = list_repository(hub, {services.files, services.writer, folder}, name, note);
  if (!repository) return tl::unexpected(repository.error());
  const hf::HeaderCache headers(services.files, services.writer,
                                folder.empty() ? "" : folder + "/" + repository->commit);
  const hf::RemoteFiles files(hub, headers, name.id, *std::move(repository));
  auto loaded = read(files, files.prefix(), files.repository().files);
  if (!loaded) return tl::unexpected(loaded.error());
  if (!*loaded) return tl::unexpected(nothing);
  files.keep();
  if (!note.empty()) (*loaded)->model.notes.push_back(std::move(note));
  return **std::move(loaded);
}

}  // namespace

Result<Model> load_hub_model(const Services& services, const std::string& name, std::string& quant) {
  const auto parsed = hf::parse_repository_name(name);
  if (!parsed) return tl::unexpected(parsed.error());
  const std::string wanted = parsed->quant.empty() ? quant : parsed->quant;
  const auto read = [&](const FileReader& files, const std::string& prefix, const auto& listed) {
    return read_listed(services, files, prefix, listed, name, wanted);
  };
  auto loaded = read_cached(services, *parsed, read);
  if (!loaded) {
    auto remote =
        read_remote(services, *parsed, name, read,
                    {ErrorCode::unsupported,
                     fmt::format("{}: the repository has neither a GGUF file nor a config.json", name),
                     "Name a repository with model weights."});
    if (!remote) return tl::unexpected(remote.error());
    loaded = *std::move(remote);
  }
  if (loaded->model.source == ModelSource::config) {
    loaded->model.id = parsed->id.substr(parsed->id.find('/') + 1);
    loaded->model.name = loaded->model.id;
    if (quant.empty()) quant = parsed->quant;
  } else if (loaded->chosen_by_quant && parsed->quant.empty()) {
    quant.clear();
  }
  loaded->model.origin = name;
  return std::move(loaded->model);
}

Result<Model> load_hub_projector(const Services& services, const std::string& name) {
  const auto parsed = hf::parse_repository_name(name);
  if (!parsed) return tl::unexpected(parsed.error());
  const auto read = [&](const FileReader& files, const std::string& prefix,
                        const auto& listed) -> Result<std::optional<Loaded>> {
    const auto path = hf::choose_projector(listed);
    if (path.empty()) return std::optional<Loaded>();
    auto model = read_gguf(files, prefix + path, services.types);
    if (!model) return tl::unexpected(model.error());
    return std::optional(Loaded{*std::move(model), false});
  };
  if (auto cached = read_cached(services, *parsed, read)) return std::move(cached->model);
  auto remote = read_remote(services, *parsed, name, read,
                            {ErrorCode::not_found, fmt::format("{}: the repository has no projector", name),
                             "--mmproj FILE names one."});
  if (!remote) return tl::unexpected(remote.error());
  return std::move(remote->model);
}

}  // namespace llmsize::app
