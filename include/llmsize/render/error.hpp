#pragma once
#include <string>

#include "llmsize/core/result.hpp"

namespace llmsize::render {

/// "error: message. hint" in one line for stderr.
std::string error_text(const Error& error);
/// llmsize.error/1 for stdout.
std::string error_json(const Error& error);

}  // namespace llmsize::render
