#pragma once

namespace llmsize::engine {

/// The reference engine whose allocation rules llmsize follows, checked against its own answers
/// (docs/METHOD.md).
inline constexpr const char* name = "llama.cpp";
inline constexpr const char* version = "0.5.0 (de3ff815)";

}  // namespace llmsize::engine
