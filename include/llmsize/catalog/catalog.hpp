#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "llmsize/core/result.hpp"
#include "llmsize/ports/file_reader.hpp"

namespace llmsize::catalog {

/// Where an entry stands: enough for a message that leads a person to the line to mend.
struct EntryLocation {
  std::string layer;    ///< "embedded" or the folder of a user's catalog.
  std::string file;     ///< Path of the file within the layer.
  std::string pointer;  ///< JSON pointer of the entry, "/entries/12".
  [[nodiscard]] std::string describe() const;
};

/// An entry found but not yet parsed.
struct EntryReference {
  std::string_view kind;
  std::string_view id;
  std::string_view aliases;  ///< Each ended by a newline.
  std::int64_t total_params = 0;
  EntryLocation location;
  std::string_view text;
};

/// `error`, with the place in the catalogs where it happened; `pointer` is a JSON pointer within the entry.
Error error_in(const EntryReference& entry, std::string_view pointer, const Error& error);

/// A file or entry of a user's layer that could not be used; everything else still works.
struct CatalogProblem {
  EntryLocation location;
  std::string message;
  std::string hint;
};

/// The layered catalogs: entries by kind and id, later layers replacing whole entries by id. Nothing is
/// parsed until it is asked for by name.
class Catalog {
 public:
  /// The catalogs compiled into the binary.
  static Catalog embedded();

  /// Adds a user's folder: every *.json directly in it, in name order. Broken files and entries are
  /// remembered as problems and leave the layers below in force.
  void add_layer(const FileReader& files, const std::string& folder);

  /// All entries of a kind in id order, the winning layer's only.
  [[nodiscard]] std::vector<EntryReference> list(std::string_view kind) const;
  [[nodiscard]] std::optional<EntryReference> find(std::string_view kind, std::string_view id) const;
  /// By id, then by alias; letter case and the separators ' ', '_', ':' and '-' do not matter for either.
  [[nodiscard]] std::optional<EntryReference> find_by_name(std::string_view kind,
                                                           std::string_view name) const;
  /// The parsed entry. Errors: malformed, with file, pointer and remedy.
  [[nodiscard]] Result<nlohmann::json> parse(const EntryReference& entry) const;
  /// find + parse; not_found with the nearest ids as a hint.
  [[nodiscard]] Result<nlohmann::json> get(std::string_view kind, std::string_view id) const;

  [[nodiscard]] const std::vector<CatalogProblem>& problems() const { return problems_; }
  /// Ids of a kind that resemble `name` or hold it, or whose aliases do, the nearest first, at most `most`.
  [[nodiscard]] std::vector<std::string> similar(std::string_view kind, std::string_view name,
                                                 std::size_t most = 3) const;
  /// What to try instead of a name that is not there: those, or the command that lists the kind.
  [[nodiscard]] std::string similar_hint(std::string_view kind, std::string_view name) const;

 private:
  struct UserEntry {
    std::string aliases;
    std::int64_t total_params = 0;
    EntryLocation location;
    std::string text;
  };
  // Keyed by (kind, id); a later layer overwrites.
  std::map<std::pair<std::string, std::string>, UserEntry> user_entries_;
  std::vector<CatalogProblem> problems_;
};

}  // namespace llmsize::catalog
