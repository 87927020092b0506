#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "llmsize/core/result.hpp"
#include "llmsize/core/units.hpp"
#include "llmsize/ports/file_reader.hpp"

namespace llmsize::hf {

/// A tensor as a publisher stores it: `shape` from the slowest dimension, `dtype` in safetensors' words.
struct PublishedTensor {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
  Bytes size;
};

/// Reads the header of a safetensors file; tensor data is never read.
///
/// Errors: unreadable, malformed (header longer than the file or 32 MiB, no JSON of the right form, names
/// that come twice, sizes that contradict shape and type, a file that is cut short). Source: the safetensors
/// format (huggingface/safetensors, README).
Result<std::vector<PublishedTensor>> read_safetensors(RandomAccessFile& file, const std::string& path);

/// The file names that a model.safetensors.index.json maps tensors to. Errors: malformed.
Result<std::set<std::string>> parse_index(std::string_view json, const std::string& path);

struct StoredType {
  std::int64_t tensors = 0;
  Bytes bytes;
};

/// What a publisher's weight files hold.
struct PublishedWeights {
  std::map<std::string, StoredType> types;  ///< By dtype.
  Bytes bytes;                              ///< All tensors; headers are not counted.
  int files = 0;
  ParamCount text_params;        ///< Of the layers that config.json counts, embeddings and output.
  ParamCount next_token_params;  ///< Of layers after those.
  ParamCount other_params;       ///< Vision, audio and projectors.
  bool has_output = false;       ///< An output matrix of its own ("lm_head").
  bool mxfp4_experts = false;
};

/// How a publisher packs quantized weights, from "quantization_config".
struct Packing {
  std::string method;     ///< "mxfp4", "fp8", "gptq", "awq" …; empty for none.
  std::int64_t bits = 4;  ///< Of what is packed into 32-bit words.
};

/// Adds up `tensors`. Scales and zero points are bytes but no parameters; packed words count for as many
/// parameters as they hold. `layers` is config.json's number of layers.
void add_tensors(PublishedWeights& weights, const std::vector<PublishedTensor>& tensors,
                 const Packing& packing, std::int64_t layers);

}  // namespace llmsize::hf
