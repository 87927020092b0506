#pragma once
#include <string>

#include "llmsize/core/model.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/ports/file_reader.hpp"

namespace llmsize {

/// Reads the header of a GGUF file, version 2 or 3, in either byte order; tensor data is never read.
///
/// Of a model in shards ("name-00001-of-00003.gguf") any one may be named; all are read. Metadata goes into
/// the hyperparameters with the architecture's prefix removed, other keys under their full name; the
/// vocabulary is only counted. `header_size` is what lies before the tensor data, all shards together.
/// Errors: not_found, unreadable, malformed (with the byte), unsupported (version, tensor type), overflow.
/// Source: the GGUF specification (ggml, docs/gguf.md) and the engine's own checks on loading.
Result<Model> read_gguf(const FileReader& files, const std::string& path, const TypeTable& types);

}  // namespace llmsize
