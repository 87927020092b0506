#include "llmsize/app/params_sizing.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "llmsize/app/companions.hpp"
#include "llmsize/app/params_devices.hpp"
#include "llmsize/catalog/file_types.hpp"
#include "llmsize/catalog/params_neighbours.hpp"
#include "llmsize/core/text.hpp"

namespace llmsize::app {
namespace {

/// How many of the nearest models are sized whole, for the parts that do not follow from parameters.
constexpr std::size_t sized_whole = 3;

/// The span of one part over models of about the size.
SizedPart span(const std::vector<Footprint>& footprints, SizedPart Footprint::*part,
               const std::string& source) {
  std::vector<SizedPart> parts;
  for (const auto& footprint : footprints)
    if ((footprint.*part).known) parts.push_back(footprint.*part);
  SizedPart result{Bytes(), Bytes(), Bytes(), Basis::derived, source, !parts.empty()};
  if (parts.empty()) return result;
  std::sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) { return a.size < b.size; });
  result.size = parts[parts.size() / 2].size;
  result.low = parts.front().low;
  result.high = parts.front().high;
  for (const auto& part_of_one : parts) {
    result.low = std::min(result.low, part_of_one.low);
    result.high = std::max(result.high, part_of_one.high);
  }
  return result;
}

/// The nearest neighbours, each through the whole pipeline on the host.
struct Neighbours {
  std::vector<Footprint> footprints;
  std::shared_ptr<const LoadedModel> nearest;
  Run run;  ///< Of the nearest.
};

Neighbours sized_neighbours(const Services& services, const ParamsEstimate& estimate,
                            const SizingRequest& request) {
  Neighbours result;
  for (const auto& id : estimate.neighbours) {
    SizingRequest one = request;
    one.model = id;
    one.offload = {};
    auto loaded = load_for_sizing(services, one);
    if (!loaded) continue;
    one.loaded = std::make_shared<const LoadedModel>(std::move(*loaded));
    auto sizing = size_model(services, one);
    if (!sizing) continue;
    if (!result.nearest) {
      result.nearest = one.loaded;
      result.run = sizing->run;
    }
    result.footprints.push_back(std::move(sizing->footprint));
    if (result.footprints.size() == sized_whole) break;
  }
  return result;
}

void add_totals(Footprint& f, bool mapped) {
  const SizedPart* parts[] = {&f.weights, &f.repacked, &f.kept_difference, &f.kv_cache,
                              &f.state,   &f.compute,  &f.output,          &f.runtime};
  for (const SizedPart* part : parts) {
    f.total += part->size;
    f.low += part->low;
    f.high += part->high;
  }
  f.file_backed = mapped ? f.weights.size + f.kept_difference.size : Bytes(0);
  f.anonymous = f.total - f.file_backed;
  f.high += f.prompt_cache.high;
}

}  // namespace

Result<EstimateReport> size_params(const Services& services, ParamCount params,
                                   std::optional<ParamCount> active, const SizingRequest& request) {
  const auto file_type = catalog::load_file_type(services.catalog, services.types,
                                                 request.quant.empty() ? default_file_type : request.quant);
  if (!file_type) return tl::unexpected(file_type.error());
  SizingRequest neighbours_request = request;
  neighbours_request.quant = file_type->id;
  neighbours_request.companions = {};
  // Not the nearest model's trained context, which would make sizes side by side hard to compare.
  if (!neighbours_request.run.context_tokens) neighbours_request.run.context_tokens = default_context;
  const ParamsRequest size{params, active};
  auto estimate = estimate_from_params(
      size, catalog::params_neighbours(services.catalog, services.types, size, *file_type, request.run));
  if (!estimate) return tl::unexpected(estimate.error());

  EstimateReport report;
  const auto neighbours = sized_neighbours(services, *estimate, neighbours_request);
  const auto& footprints = neighbours.footprints;
  report.run = neighbours.run;
  if (footprints.empty())
    return fail(ErrorCode::unsupported, "no model of about that size can be sized with these settings",
                "Name a model with -m to see why.");
  const std::string kind = active ? "mixtures of experts" : "dense models with grouped attention";
  const std::string source = fmt::format(
      "the catalog's {} nearest in size: {}", kind,
      fmt::join(estimate->neighbours.begin(),
                estimate->neighbours.begin() + static_cast<std::ptrdiff_t>(footprints.size()), ", "));
  report.model = {"",         fmt::format("A model of {} parameters", params_text(params)),
                  "",         ModelSource::params,
                  "--params", params,
                  active};
  report.artifact.quant = file_type->id;
  report.artifact.tensors = estimate->tensors;
  report.artifact.file = estimate->tensors;
  report.artifact.bits_per_weight =
      8.0 * static_cast<double>(estimate->tensors.size.value()) / static_cast<double>(params.value());
  Footprint& f = report.footprint;
  f.weights = std::move(estimate->weights);
  f.kv_cache = std::move(estimate->context);
  f.kv_active = span(footprints, &Footprint::kv_active, source);
  for (auto bound : {&SizedPart::low, &SizedPart::size, &SizedPart::high})
    f.kv_active.*bound = std::min(f.kv_active.*bound, f.kv_cache.*bound);
  f.repacked = span(footprints, &Footprint::repacked, source);
  f.kept_difference = span(footprints, &Footprint::kept_difference, source);
  f.compute = span(footprints, &Footprint::compute, source);
  f.output = span(footprints, &Footprint::output, source);
  f.runtime = span(footprints, &Footprint::runtime, source);
  f.token_vectors = span(footprints, &Footprint::token_vectors, source);
  f.results = span(footprints, &Footprint::results, source);
  f.load_staging = span(footprints, &Footprint::load_staging, source);
  f.prompt_cache = footprints.front().prompt_cache;
  for (auto part :
       {&Footprint::adapters, &Footprint::projector, &Footprint::draft, &Footprint::orchestration})
    f.*part = footprints.front().*part;
  add_totals(f, request.residency.load_mode != LoadMode::none);
  f.locked = request.residency.load_mode == LoadMode::mlock;
  report.notes.push_back(fmt::format(
      "weights and KV cache are intervals over the catalog's {} of about this size ({}); -m NAME is exact",
      kind, fmt::join(estimate->neighbours, ", ")));
  f.host.device = "CPU";
  f.host.weights = f.weights.size;
  f.host.caches = f.kv_cache.size;
  f.host.compute = f.compute;
  if (!request.offload.devices.empty()) {
    neighbours_request.loaded = neighbours.nearest;
    const auto split = size_model(services, neighbours_request);
    if (!split) return tl::unexpected(split.error());
    spread_like(f, split->footprint, request.residency.load_mode);
    report.notes.push_back(
        fmt::format("the GPUs hold the shares that they would hold of {}", neighbours.nearest->model.id));
  }
  add_orchestration(request.companions, f);
  if (!active)
    report.notes.emplace_back("-A N says how many parameters are active, for a mixture of experts");
  return report;
}

}  // namespace llmsize::app
