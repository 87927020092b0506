#pragma once

namespace llmsize::cli {

/// The project's version, as CMake states it.
inline constexpr const char* version = LLMSIZE_VERSION;

}  // namespace llmsize::cli
