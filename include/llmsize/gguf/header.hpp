#pragma once
#include <string>
#include <vector>

#include "llmsize/core/tensor.hpp"
#include "llmsize/gguf/metadata.hpp"

namespace llmsize::gguf {

/// What one GGUF file says before its tensor data.
struct Header {
  Metadata metadata;
  std::vector<Tensor> tensors;
  Bytes data_offset;  ///< Where tensor data begins: the header, padded to the alignment.
  std::int64_t alignment = 32;
  bool other_byte_order = false;  ///< Written for machines of the other byte order than this one.
};

/// Reads and checks one file's header. Errors as for read_gguf.
Result<Header> read_header(RandomAccessFile& file, const std::string& path, const TypeTable& types);

}  // namespace llmsize::gguf
