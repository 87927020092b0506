#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace llmsize::catalog {

/// What is wrong with one key of an entry.
struct EntryFault {
  std::string pointer;  ///< Below the entry: "/number".
  std::string message;  ///< "must be a whole number from 0 to 10000".
};

/// Checks the form of an entry of a catalog file: which keys it needs, of which JSON type, within which
/// range. The rules are those of docs/schema, in a table; what takes more than one key is left to the reader
/// of the kind. A kind without rules passes.
std::vector<EntryFault> entry_faults(std::string_view kind, const nlohmann::json& entry);

/// Whether a catalog file may say it is of this kind.
bool is_entry_kind(std::string_view kind);

}  // namespace llmsize::catalog
