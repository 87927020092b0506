#pragma once
#include "llmsize/app/companions.hpp"
#include "llmsize/cli/command.hpp"
#include "llmsize/core/tensor.hpp"

namespace llmsize::cli {

/// The flags for what runs beside the model. Both arguments must outlive the group.
OptionGroup companion_options(app::CompanionRequest& request, const TypeTable& types);

}  // namespace llmsize::cli
