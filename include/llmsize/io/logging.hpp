#pragma once
#include <string>

namespace llmsize::io {

/// Turns on messages about what is read and decided, on stderr (-v). Off by default.
void enable_logging();
/// One message; costs a branch while logging is off.
void log(const std::string& message);

}  // namespace llmsize::io
