#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llmsize/core/footprint.hpp"
#include "llmsize/core/result.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

/// A model of which only the size is known. `active` makes it a mixture of experts.
struct ParamsRequest {
  ParamCount total;
  std::optional<ParamCount> active;
};

/// What a known model of about that size takes, under the file type and run in question.
struct ParamsNeighbour {
  std::string id;
  ParamCount total;
  std::optional<ParamCount> active;
  Bytes tensors;  ///< Tensor data.
  Bytes weights;  ///< The engine's buffers.
  Bytes context;  ///< KV cache and recurrent state.
};

/// Sizes of an unknown model with the interval that known ones of its size span.
struct ParamsEstimate {
  SizedPart tensors;
  SizedPart weights;
  SizedPart context;
  std::vector<std::string> neighbours;  ///< Ids, the nearest in size first.
};

/// How many neighbours an estimate is made of. More widen the interval, fewer make it miss; see
/// docs/METHOD.md, "The params interval", for the errors measured.
inline constexpr std::size_t params_neighbour_count = 12;
/// The fewest that still span an interval.
inline constexpr std::size_t fewest_params_neighbours = 3;

/// How far a known model is from the size asked for: the sum of the logarithms of the ratios of total and,
/// where both are known, active parameters.
double params_distance(const ParamsRequest& request, ParamCount total, std::optional<ParamCount> active);

/// Scales each neighbour to the size asked for and spans their range. `neighbours` may be more than needed
/// and in any order. Errors: unsupported where there are too few; overflow.
Result<ParamsEstimate> estimate_from_params(const ParamsRequest& request,
                                            std::vector<ParamsNeighbour> neighbours);

/// The size that a model's name states: "Qwen3-235B-A22B" (235 billion, 22 active), "llama-3-8b",
/// "gemma-270m". Nothing where the name has no such number, or more than one ("8x7B", "4x7B-20B").
std::optional<ParamsRequest> params_in_name(std::string_view name);

}  // namespace llmsize
