#pragma once
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "llmsize/core/architecture.hpp"
#include "llmsize/core/hyperparameters.hpp"
#include "llmsize/core/result.hpp"

namespace llmsize::hf {

/// The class names under "architectures" of a Hugging Face config.json; also those of its "text_config",
/// which come first, because the text model is what the engine sizes.
std::vector<std::string> class_names(const nlohmann::json& config);

/// The hyperparameters that a config.json states, under GGUF's keys: `general` and then the architecture's
/// own table say which config key gives which. Keys of "text_config" go before those beside it.
/// Errors: malformed where a value cannot be what the tables take it for.
Result<Hyperparameters> read_config(const nlohmann::json& config, const ConfigRule& general,
                                    const Architecture& architecture);

}  // namespace llmsize::hf
