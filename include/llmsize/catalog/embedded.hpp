#pragma once
#include <cstdint>
#include <span>
#include <string_view>

namespace llmsize::catalog {

/// One entry of the catalogs compiled into the binary, as unparsed JSON text. Sorted by kind, then id.
struct EmbeddedEntry {
  std::string_view kind;
  std::string_view id;
  std::string_view file;          ///< Path below data/, for messages.
  std::size_t position = 0;       ///< Place in the file's "entries" array, for JSON pointers.
  std::string_view aliases;       ///< Other names, each ended by a newline.
  std::int64_t total_params = 0;  ///< Parameters in all, 0 where the entry states none.
  std::string_view text;          ///< The entry's JSON.
};

/// The entries that the build generated from data/.
std::span<const EmbeddedEntry> embedded_entries();

}  // namespace llmsize::catalog
