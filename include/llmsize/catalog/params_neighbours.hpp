#pragma once
#include <functional>
#include <optional>
#include <vector>

#include "llmsize/catalog/catalog.hpp"
#include "llmsize/core/params_estimate.hpp"
#include "llmsize/core/quantize.hpp"
#include "llmsize/core/run.hpp"

namespace llmsize::catalog {

/// The models of the catalog that resemble a model of the size asked for, each sized under `file_type` and
/// `run`: dense ones with grouped attention over the whole context, or mixtures of experts where active
/// parameters are given. Only entries near that size are parsed, and only one of those with the same number
/// of parameters (fine-tunes of one shape) is used. A model that the file type or the run cannot be applied
/// to is passed over. Absent context tokens in `run` mean 8192. `allowed`, where given, restricts the
/// entries.
std::vector<ParamsNeighbour> params_neighbours(
    const Catalog& catalog, const TypeTable& types, const ParamsRequest& request, const FileType& file_type,
    const RunRequest& run, const std::function<bool(const EntryReference&)>& allowed = {});

/// One model's sizes, or nothing where it cannot be sized or is not of the kind asked for.
std::optional<ParamsNeighbour> size_as_neighbour(const Catalog& catalog, const TypeTable& types,
                                                 const EntryReference& entry, bool mixture,
                                                 const FileType& file_type, const RunRequest& run);

}  // namespace llmsize::catalog
