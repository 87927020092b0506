#include <algorithm>
#include <charconv>
#include <optional>

#include "llmsize/hf/safetensors.hpp"

namespace llmsize::hf {
namespace {

/// Ends of the names of tensors that say how to read others. Source: the storage formats of mxfp4 (gpt-oss),
/// fp8 (DeepSeek-V3), GPTQ, AWQ, compressed-tensors, ModelOpt and bitsandbytes checkpoints on the hub.
constexpr std::string_view auxiliary_ends[] = {"_scales",
                                               ".scales",
                                               ".qzeros",
                                               ".g_idx",
                                               ".weight_scale",
                                               "_scale_inv",
                                               ".weight_scale_2",
                                               ".input_scale",
                                               ".k_scale",
                                               ".v_scale",
                                               ".absmax",
                                               ".quant_map",
                                               ".nested_absmax",
                                               ".nested_quant_map",
                                               ".weight_zero_point",
                                               ".weight_shape",
                                               ".weight_global_scale",
                                               ".input_global_scale",
                                               ".activation_scale",
                                               ".inv_freq"};
constexpr std::string_view auxiliary_parts[] = {".quant_state."};

/// Parts of the names of what is no text model.
constexpr std::string_view other_parts[] = {
    "visual.",      "vision_",     "vision_tower",  "multi_modal_projector", "mm_projector", "audio_tower",
    "embed_vision", "embed_audio", "image_newline", "audio_encoder",         "talker."};

bool has_any(std::string_view name, const auto& parts) {
  return std::any_of(std::begin(parts), std::end(parts),
                     [&](std::string_view part) { return name.find(part) != std::string_view::npos; });
}

bool is_auxiliary(std::string_view name) {
  return has_any(name, auxiliary_parts) || std::any_of(std::begin(auxiliary_ends), std::end(auxiliary_ends),
                                                       [&](auto end) { return name.ends_with(end); });
}

/// Parameters that one stored element holds.
std::int64_t per_element(const PublishedTensor& tensor, const Packing& packing) {
  const std::string_view name = tensor.name;
  // Two 4-bit values in a byte: mxfp4's blocks, and what bitsandbytes, ModelOpt and compressed-tensors pack.
  const bool nibbles =
      name.ends_with("_blocks") || name.ends_with(".weight") || name.ends_with(".weight_packed");
  if (tensor.dtype == "U8" && nibbles) return 2;
  constexpr std::int64_t word_bits = 32;
  const bool words = name.ends_with(".qweight") || name.ends_with(".weight_packed");
  if (tensor.dtype == "I32" && words && packing.bits > 0 && packing.bits <= word_bits)
    return word_bits / packing.bits;
  return 1;
}

/// The layer in "model.layers.12.…"; absent elsewhere.
std::optional<std::int64_t> layer_in(std::string_view name) {
  constexpr std::string_view word = "layers.";
  const auto at = name.find(word);
  if (at == std::string_view::npos) return std::nullopt;
  std::int64_t layer = 0;
  const auto* begin = name.data() + at + word.size();
  const auto parsed = std::from_chars(begin, name.data() + name.size(), layer);
  return parsed.ec == std::errc() ? std::optional(layer) : std::nullopt;
}

bool is_next_token(std::string_view name, std::int64_t layers) {
  return name.starts_with("mtp.") || name.find(".mtp.") != std::string_view::npos ||
         layer_in(name).value_or(-1) >= layers;
}

}  // namespace

void add_tensors(PublishedWeights& weights, const std::vector<PublishedTensor>& tensors,
                 const Packing& packing, std::int64_t layers) {
  ++weights.files;
  for (const auto& tensor : tensors) {
    auto& type = weights.types[tensor.dtype];
    ++type.tensors;
    type.bytes += tensor.size;
    weights.bytes += tensor.size;
    if (is_auxiliary(tensor.name)) continue;
    ParamCount count(per_element(tensor, packing));
    for (const auto dimension : tensor.shape) count = count * dimension;
    if (has_any(tensor.name, other_parts)) {
      weights.other_params += count;
    } else if (is_next_token(tensor.name, layers)) {
      weights.next_token_params += count;
    } else {
      weights.text_params += count;
      weights.has_output = weights.has_output || tensor.name.find("lm_head.weight") != std::string::npos;
      weights.mxfp4_experts =
          weights.mxfp4_experts || (tensor.dtype == "U8" && tensor.name.ends_with("_blocks"));
    }
  }
}

}  // namespace llmsize::hf
