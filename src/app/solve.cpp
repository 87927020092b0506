#include "llmsize/app/solve.hpp"

#include <algorithm>
#include <functional>
#include <memory>

#include <fmt/format.h>

#include "llmsize/app/find_model.hpp"
#include "llmsize/catalog/file_types.hpp"
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
};

bool fits(const EstimateOptions& options, const EstimateReport& report, bool devices_only) {
  if (devices_only)
    return std::all_of(report.verdict.places.begin(), report.verdict.places.end(),
                       [](const PlaceVerdict& place) {
                         return place.device == "CPU" || (place.budget.known() && place.headroom >= Bytes(0));
                       });
  const Fit fit = report.verdict.fit;
  return fit == Fit::resident || (fit == Fit::pages_from_disk && options.requirement == Requirement::runs);
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

Result<SizedReport> climb(const Services& services, const Host& host, EstimateOptions& options,
                          const Ladder& ladder) {
  std::optional<Trial> best, next;
  std::int64_t low = -1, high = ladder.steps - 1;
  while (low < high) {
    const std::int64_t middle = low + (high - low + 1) / 2;
    auto trial = try_step(services, host, options, ladder, middle);
    if (!trial) return tl::unexpected(trial.error());
    if (trial->fits) {
      low = middle;
      best = std::move(*trial);
    } else {
      high = middle - 1;
      next = std::move(*trial);
    }
  }
  if (low + 1 == ladder.steps) next.reset();
  const Solution solution = solution_of(ladder, low, next);
  Trial& answer = best ? *best : *next;
  options = std::move(answer.options);
  answer.sized.report.solution = solution;
  return std::move(answer.sized);
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
  return ladder;
}

}  // namespace

Result<SizedReport> solved_report(const Services& services, const Host& host, EstimateOptions& options) {
  if (options.params)
    return fail(ErrorCode::usage, "--solve needs a model, not --params", "Name one with -m.");
  if (*options.solve == SolveFor::quant) {
    auto quants = quants_by_size(services, options);
    if (!quants) return tl::unexpected(quants.error());
    return climb(services, host, options, quant_ladder(services, std::move(*quants)));
  }
  auto loaded = load_for_sizing(services, options.sizing);
  if (!loaded) return tl::unexpected(loaded.error());
  options.sizing.loaded = std::make_shared<const LoadedModel>(std::move(*loaded));
  const Model& model = options.sizing.loaded->model;
  if (*options.solve == SolveFor::context)
    return climb(services, host, options, context_ladder(options, model));
  if (*options.solve == SolveFor::parallel)
    return climb(services, host, options, parallel_ladder(options, model));
  if (!options.gpus.named() && (options.ram || host.gpus.empty()))
    return fail(ErrorCode::usage, "--solve gpu-layers needs a GPU", "Name one: --gpu 24GiB.");
  return climb(services, host, options, layer_ladder(model));
}

}  // namespace llmsize::app
