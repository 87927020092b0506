#pragma once
#include "llmsize/app/catalog_command.hpp"

namespace llmsize::app {

/// `llmsize catalog add NAME`: an entry for the user's own catalog folder, made from what `-m NAME` would
/// read: a GGUF file, a config.json folder, an hf:, ollama: or lmstudio: name. It is read back before it is
/// written, and written whole or not at all. Errors: usage, those of reading the model, internal where the
/// entry would give another model, write_failed.
Result<Outcome> add_to_catalog(const Services& services, const CatalogOptions& options);

}  // namespace llmsize::app
