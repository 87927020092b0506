#pragma once
#include <cstddef>

namespace llmsize::io {

/// Reads `size` bytes (less the rest of a division by 512) with the widest loads there are, and waits for
/// nothing else.
void read_all(const char* data, std::size_t size);

}  // namespace llmsize::io
