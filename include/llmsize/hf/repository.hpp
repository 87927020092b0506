#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llmsize/core/result.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize::hf {

/// "hf:ORG/REPO[@REVISION][:QUANT]", taken apart.
struct RepositoryName {
  std::string id;                 ///< "ORG/REPO".
  std::string revision = "main";  ///< A branch, tag or commit.
  std::string quant;              ///< As written; empty where the name has none. May be a file's name.
};

/// Errors: usage where the rest of an "hf:" name is not of that form.
Result<RepositoryName> parse_repository_name(std::string_view name);

struct RepositoryFile {
  std::string path;           ///< Below the repository's root.
  std::optional<Bytes> size;  ///< As the listing states it.
};

/// The files of one commit.
struct Repository {
  std::string commit;
  std::vector<RepositoryFile> files;

  [[nodiscard]] const RepositoryFile* find(std::string_view path) const;
};

/// Reads what the hub's API answers about a model and a revision. Files whose names could lead out of a
/// folder are left out. Errors: malformed.
Result<Repository> parse_repository(std::string_view json);

/// Whether a path is a GGUF file with a language model, or the first of its shards.
bool is_model_file(std::string_view path);

/// Picks the model's GGUF file (of shards, the first) that `quant` names, letter case aside: the shortest
/// name that has it between separators. Without a quant Q4_K_M, or the first model in the list, as the
/// engine's -hf does. Absent where the repository has no GGUF model. Errors: not_found, listing what there
/// is.
Result<std::optional<std::string>> choose_gguf(const std::vector<RepositoryFile>& files,
                                               std::string_view quant, std::string_view shown_name);

/// The projector among the files: the one at F16, else the first; empty where there is none.
std::string choose_projector(const std::vector<RepositoryFile>& files);

}  // namespace llmsize::hf
