#pragma once
#include <cstddef>

namespace llmsize::io {

/// Reads `size` bytes (less the rest of a division by 128) with nothing else to wait for.
void read_all(const char* data, std::size_t size);

}  // namespace llmsize::io
