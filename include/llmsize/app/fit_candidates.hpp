#pragma once
#include <optional>
#include <string>
#include <vector>

#include "llmsize/app/fit_command.hpp"

namespace llmsize::app {

/// What is known of a model before it is sized.
struct FitCandidate {
  std::string model;  ///< What -m takes.
  std::string family, license, released;
  ParamCount total;
  std::optional<ParamCount> active;
  std::optional<SharedScore> score;
};

/// The catalog's models that pass the filters of `options`, in id order; `notes` receives what the filters
/// could not judge. Errors: usage for a capability that the catalog does not describe.
Result<std::vector<FitCandidate>> fit_candidates(const Services& services, const FitOptions& options,
                                                 std::vector<std::string>& notes);

/// The quants that one model may take, best first, each with its published loss.
struct FitQuant {
  std::string id;
  double loss = 0;         ///< Nats per token; 0 where nothing is published.
  double lowest_bits = 0;  ///< No weight takes fewer bits.
};
Result<std::vector<FitQuant>> fit_quants(const Services& services, const FitOptions& options);

/// Where a model at a quant with `loss` stands in the order asked for.
FitRank rank_of(const FitCandidate& candidate, double loss, FitOrder order);

}  // namespace llmsize::app
