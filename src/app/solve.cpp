#include "llmsize/app/solve.hpp"

#include <algorithm>
#include <functional>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/app/find_model.hpp"
#include "llmsize/catalog/file_types.hpp"
#include "llmsize/catalog/roles.hpp"
#include "llmsize/core/text.hpp"

namespace llmsize::app {
namespace {

/// The engine pads contexts to this many tokens, so nothing between two steps is cheaper.
constexpr std::int64_t context_step = 256;
/// Where a file does not say how long a context it was trained for.
constexpr std::int64_t longest_untold = 1 << 20;

/// Settings from least to largest.
struct Ladder {
  std::string quantity;
  std::int64_t steps = 0;
  std::function<Result<void>(EstimateOptions&, std::int64_t step)> apply;
  std::function<std::string(std::int64_t step)> label;
  std::string most;
  bool devices_only = false;  ///< Only the GPUs decide.
  bool ordered = true;        ///< What exceeds the budget does so at every larger step, too.
};

/// "The largest that fits" asks for a setting to work with, so paging counts only where it was asked for.
bool accepts_paging(const EstimateOptions& options) {
  return options.requirement == Requirement::runs;
}

bool fits(const EstimateOptions& options, const EstimateReport& report, bool devices_only) {
  if (devices_only)
    return std::all_of(report.verdict.places.begin(), report.verdict.places.end(),
                       [](const PlaceVerdict& place) {
                         return place.device == "CPU" || (place.budget.known() && place.headroom >= Bytes(0));
                       });
  const Fit fit = report.verdict.fit;
  return fit == Fit::resident || (fit == Fit::pages_from_disk && accepts_paging(options));
}

/// The memory that lacks most.
const PlaceVerdict* tightest(const EstimateReport& report, bool devices_only) {
  const PlaceVerdict* found = nullptr;
  for (const auto& place : report.verdict.places) {
    if (!place.budget.known() || (devices_only && place.device == "CPU")) continue;
    if (found == nullptr || place.headroom < found->headroom) found = &place;
  }
  return found;
}

struct Trial {
  EstimateOptions options;
  SizedReport sized;
  bool fits = false;
};

Result<Trial> try_step(const Services& services, const Host& host, const EstimateOptions& options,
                       const Ladder& ladder, std::int64_t step) {
  Trial trial{options, {}, false};
  if (auto applied = ladder.apply(trial.options, step); !applied) return tl::unexpected(applied.error());
  auto sized = judged_report(services, host, trial.options);
  if (!sized) return tl::unexpected(sized.error());
  if (sized->report.verdict.fit == Fit::unknown && tightest(sized->report, ladder.devices_only) == nullptr)
    return fail(ErrorCode::usage, "--solve needs a budget, and this host's is unknown",
                "Give --ram or --gpu.");
  trial.fits = fits(trial.options, sized->report, ladder.devices_only);
  trial.sized = std::move(*sized);
  return trial;
}

Solution solution_of(const Ladder& ladder, std::int64_t best, const std::optional<Trial>& next) {
  Solution solution;
  solution.quantity = ladder.quantity;
  if (best >= 0) solution.value = ladder.label(best);
  if (!next) {
    solution.most = ladder.most;
    return solution;
  }
  solution.next = ladder.label(best + 1);
  if (const auto* place = tightest(next->sized.report, ladder.devices_only)) {
    solution.next_shortfall = std::max(Bytes(0), Bytes(0) - place->headroom);
    solution.next_bound_by =
        place->device == "CPU" && next->sized.report.verdict.bound_by.substr(0, 3) != "GPU"
            ? next->sized.report.verdict.bound_by
            : place->device;
  }
  return solution;
}

/// The largest step that fits and the one above it; `step` is -1 where none fits.
struct Found {
  std::int64_t step = -1;
  std::optional<Trial> best, next;
};

/// By halving, for settings that only ever need more.
Result<Found> climb(const Services& services, const Host& host, const EstimateOptions& options,
                    const Ladder& ladder) {
  Found found;
  std::int64_t high = ladder.steps - 1;
  while (found.step < high) {
    const std::int64_t middle = found.step + (high - found.step + 1) / 2;
    auto trial = try_step(services, host, options, ladder, middle);
    if (!trial) return tl::unexpected(trial.error());
    if (trial->fits) {
      found.step = middle;
      found.best = std::move(*trial);
    } else {
      high = middle - 1;
      found.next = std::move(*trial);
    }
  }
  if (found.step + 1 == ladder.steps) found.next.reset();
  return found;
}

/// One by one from the largest, where a larger setting may need less: a file type that is not repacked.
Result<Found> descend(const Services& services, const Host& host, const EstimateOptions& options,
                      const Ladder& ladder) {
  Found found;
  for (std::int64_t step = ladder.steps - 1; step >= 0; --step) {
    auto trial = try_step(services, host, options, ladder, step);
    if (!trial) return tl::unexpected(trial.error());
    if (trial->fits) {
      found.step = step;
      found.best = std::move(*trial);
      return found;
    }
    found.next = std::move(*trial);
  }
  return found;
}

Result<Found> largest_step(const Services& services, const Host& host, const EstimateOptions& options,
                           const Ladder& ladder) {
  return ladder.ordered ? climb(services, host, options, ladder) : descend(services, host, options, ladder);
}

/// What one other flag would change, for the flags that often decide.
std::vector<OtherSolution> other_solutions(const Services& services, const Host& host,
                                           const EstimateOptions& options, const Ladder& ladder,
                                           std::int64_t answer) {
  std::vector<OtherSolution> others;
  if (ladder.devices_only || answer + 1 == ladder.steps) return others;
  const auto try_with = [&](const char* flag, const EstimateOptions& changed) {
    const auto found = largest_step(services, host, changed, ladder);
    if (found && found->step != answer && found->step >= 0)
      others.push_back({flag, ladder.label(found->step)});
  };
  if (options.sizing.residency.prompt_cache_cap > Bytes(0) && options.sizing.run.tool == Tool::server) {
    EstimateOptions without = options;
    without.sizing.residency.prompt_cache_cap = Bytes(0);
    try_with("--cache-ram 0", without);
  }
  if (!options.requirement) {
    EstimateOptions paging = options;
    paging.requirement = Requirement::runs;
    try_with("--require runs", paging);
  }
  return others;
}

Result<SizedReport> solve(const Services& services, const Host& host, EstimateOptions& options,
                          const Ladder& ladder) {
  auto found = largest_step(services, host, options, ladder);
  if (!found) return tl::unexpected(found.error());
  Solution solution = solution_of(ladder, found->step, found->next);
  solution.paging = accepts_paging(options);
  solution.others = other_solutions(services, host, options, ladder, found->step);
  Trial& answer = found->best ? *found->best : *found->next;
  options = std::move(answer.options);
  answer.sized.report.solution = std::move(solution);
  return std::move(answer.sized);
}

/// Nothing where nobody published one.
std::optional<QuantLoss> loss_of(const Services& services, const std::string& quant) {
  const auto losses = catalog::load_quant_losses(services.catalog);
  const auto entry = services.catalog.get("quant_quality", quant);
  if (!losses || !entry || !losses->contains(quant)) return std::nullopt;
  return QuantLoss{losses->at(quant), entry->value("source", std::string())};
}

Ladder context_ladder(const EstimateOptions& options, const Model& model) {
  const auto& run = options.sizing.run;
  const bool unified = run.kv_unified.value_or(!run.parallel.has_value());
  const auto step = context_step * (unified ? 1 : run.parallel.value_or(default_slots));
  const auto trained = model.hyperparameters.context_length();
  Ladder ladder;
  ladder.quantity = "context";
  ladder.steps = std::max<std::int64_t>(1, (trained > 0 ? trained : longest_untold) / context_step);
  ladder.apply = [step](EstimateOptions& trial, std::int64_t index) -> Result<void> {
    trial.sizing.run.context_tokens = saturating_multiply(step, index + 1);
    return {};
  };
  ladder.label = [step](std::int64_t index) { return fmt::format("{}", step * (index + 1)); };
  ladder.most =
      trained > 0 ? "the model was trained for no longer context" : "the file states no trained context";
  return ladder;
}

/// -c is what each slot gets.
Ladder parallel_ladder(const EstimateOptions& options, const Model& model) {
  const auto each = options.sizing.run.context_tokens.value_or(default_context_for(model.hyperparameters));
  Ladder ladder;
  ladder.quantity = "parallel";
  ladder.steps = most_sequences;
  ladder.apply = [each](EstimateOptions& trial, std::int64_t index) -> Result<void> {
    trial.sizing.run.parallel = index + 1;
    trial.sizing.run.context_tokens = saturating_multiply(each, index + 1);
    return {};
  };
  ladder.label = [](std::int64_t index) { return fmt::format("{}", index + 1); };
  ladder.most = "the engine has no more sequences";
  return ladder;
}

Ladder layer_ladder(const Model& model) {
  Ladder ladder;
  ladder.quantity = "gpu-layers";
  ladder.steps = model.hyperparameters.layer_count() + 2;
  ladder.apply = [](EstimateOptions& trial, std::int64_t index) -> Result<void> {
    trial.gpus.gpu_layers = index;
    return {};
  };
  ladder.label = [](std::int64_t index) { return fmt::format("{}", index); };
  ladder.most = "all layers and the output are on the GPU";
  ladder.devices_only = true;
  return ladder;
}

struct QuantSize {
  std::string id;
  Bytes size;
};

/// Every file type that the quantizer makes of this model, from small to large; F32 is no choice.
Result<std::vector<QuantSize>> quants_by_size(const Services& services, const EstimateOptions& options) {
  std::string quant = options.sizing.quant;
  const auto model = find_model(services, options.sizing.model, quant);
  if (!model) return tl::unexpected(model.error());
  std::vector<QuantSize> quants;
  for (const auto& reference : services.catalog.list("file_type")) {
    const auto type = catalog::load_file_type(services.catalog, services.types, reference.id);
    if (!type || !type->refused.empty() || type->default_type == tensor_type::f32) continue;
    const auto types = quantized_types(*model, *type, services.types, options.sizing.quantize);
    if (!types) continue;
    if (!options.sizing.quantize.imatrix && !needs_importance_matrix(*model, *type, *types).empty()) continue;
    Bytes size;
    for (std::size_t i = 0; i < types->size(); ++i) {
      Tensor tensor = model->tensors[i];
      tensor.type = (*types)[i];
      size += tensor.size();
    }
    quants.push_back({type->id, size});
  }
  std::stable_sort(quants.begin(), quants.end(),
                   [](const QuantSize& a, const QuantSize& b) { return a.size < b.size; });
  if (quants.empty())
    return fail(ErrorCode::unsupported, "the quantizer makes nothing of this model",
                "It is quantized already; --solve context or parallel varies the run instead.");
  return quants;
}

Ladder quant_ladder(const Services& services, std::vector<QuantSize> quants) {
  Ladder ladder;
  ladder.quantity = "quant";
  ladder.steps = static_cast<std::int64_t>(quants.size());
  const auto shared = std::make_shared<const std::vector<QuantSize>>(std::move(quants));
  ladder.apply = [shared, &services](EstimateOptions& trial, std::int64_t index) -> Result<void> {
    trial.sizing.quant = (*shared)[static_cast<std::size_t>(index)].id;
    trial.sizing.loaded.reset();
    auto loaded = load_for_sizing(services, trial.sizing);
    if (!loaded) return tl::unexpected(loaded.error());
    trial.sizing.loaded = std::make_shared<const LoadedModel>(std::move(*loaded));
    return {};
  };
  ladder.label = [shared](std::int64_t index) { return (*shared)[static_cast<std::size_t>(index)].id; };
  ladder.most = "no file type is larger";
  ladder.ordered = false;
  return ladder;
}

}  // namespace

Result<SizedReport> solved_report(const Services& services, const Host& host, EstimateOptions& options) {
  if (options.params)
    return fail(ErrorCode::usage, "--solve needs a model, not --params", "Name one with -m.");
  if (*options.solve == SolveFor::quant) {
    auto quants = quants_by_size(services, options);
    if (!quants) return tl::unexpected(quants.error());
    auto solved = solve(services, host, options, quant_ladder(services, std::move(*quants)));
    if (solved) solved->report.solution->loss = loss_of(services, solved->report.solution->value);
    return solved;
  }
  auto loaded = load_for_sizing(services, options.sizing);
  if (!loaded) return tl::unexpected(loaded.error());
  options.sizing.loaded = std::make_shared<const LoadedModel>(std::move(*loaded));
  const Model& model = options.sizing.loaded->model;
  if (*options.solve == SolveFor::context)
    return solve(services, host, options, context_ladder(options, model));
  if (*options.solve == SolveFor::parallel)
    return solve(services, host, options, parallel_ladder(options, model));
  if (!options.gpus.named() && (options.ram || host.gpus.empty()))
    return fail(ErrorCode::usage, "--solve gpu-layers needs a GPU", "Name one: --gpu 24GiB.");
  return solve(services, host, options, layer_ladder(model));
}

}  // namespace llmsize::app
