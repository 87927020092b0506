#pragma once
#include <vector>

#include "llmsize/app/fit_candidates.hpp"

namespace llmsize::app {

/// The rows among `candidates` that meet the options, best first, at most `most`: resident ones; where there
/// are none, or with --all, those whose weights page from storage too (where that is accepted). `report`
/// receives rows and notes. Best-first with bounds: only what is shown, or decides what is shown, is sized
/// exactly. Errors: usage where the budget is unknown; those of devices that are not there.
Result<void> search_fit(const Services& services, const Host& host, const FitOptions& options,
                        const std::vector<FitCandidate>& candidates, std::size_t most, FitReport& report);

/// Sizes, judges and times one model; nothing where it does not run or is too slow. `why` receives an error's
/// message.
std::optional<FitRow> fit_row(const Services& services, const Host& host, const FitOptions& options,
                              const SizingRequest& request, std::string& why);

/// Files on disk instead of the catalog: each at the quant it has.
Result<void> search_local(const Services& services, const Host& host, const FitOptions& options,
                          std::size_t most, FitReport& report);

}  // namespace llmsize::app
