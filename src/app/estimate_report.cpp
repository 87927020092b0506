#include "llmsize/app/estimate_report.hpp"

#include <algorithm>
#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "llmsize/app/find_model.hpp"
#include "llmsize/app/guide_comparison.hpp"
#include "llmsize/app/params_sizing.hpp"
#include "llmsize/app/speed.hpp"
#include "llmsize/core/params_estimate.hpp"
#include "llmsize/core/text.hpp"

namespace llmsize::app {
namespace {

ModelIdentity identity(const Model& model) {
  return {model.id,           model.name.empty() ? model.id : model.name,
          model.architecture, model.source,
          model.origin,       model.total_params(),
          model.active_params};
}

EstimateReport report_of(const Sizing& sizing, bool with_tensors) {
  EstimateReport report;
  report.model = identity(sizing.model);
  report.run = sizing.run;
  const Bytes tensors = sizing.weights.tensors;
  report.artifact = {
      sizing.quant,
      {tensors, tensors, tensors,
       sizing.model.types_are_final && sizing.model.source == ModelSource::gguf ? Basis::reported
                                                                                : Basis::derived,
       sizing.model.source == ModelSource::gguf
           ? "tensor table of the file"
           : "the quantizer's type rule over the architecture's tensors"},
      sizing.file,
      sizing.weights.count_by_type,
      sizing.weights.bytes_by_type,
      8.0 * static_cast<double>(tensors.value()) / static_cast<double>(report.model.total_params.value())};
  report.footprint = sizing.footprint;
  if (with_tensors) report.tensors = sizing.model.tensors;
  report.context = sizing.context;
  report.notes = sizing.notes;
  return report;
}

/// A name such as "Qwen9-300B-A30B" that no catalog has still states total and active parameters.
std::optional<ParamsRequest> params_of_unknown_name(const Error& error, const std::string& name) {
  if (error.code != ErrorCode::not_found || names_a_file(name)) return std::nullopt;
  const auto stated = params_in_name(name);
  return stated && stated->active ? stated : std::nullopt;
}

/// The report before it is judged; `sized` receives the model where one was found, for the parts that need
/// its tensors.
Result<EstimateReport> size(const Services& services, const EstimateOptions& options,
                            std::optional<Sizing>& sized) {
  if (options.params) return size_params(services, *options.params, options.active_params, options.sizing);
  auto sizing = size_model(services, options.sizing);
  if (sizing) {
    sized = std::move(*sizing);
    return report_of(*sized, options.explain);
  }
  const auto stated = params_of_unknown_name(sizing.error(), options.sizing.model);
  if (!stated) return tl::unexpected(sizing.error());
  auto report = size_params(services, stated->total, stated->active, options.sizing);
  if (report)
    report->notes.push_back(fmt::format(
        "the catalog has no \"{}\": its name states total and active parameters", options.sizing.model));
  return report;
}

/// The part of the caches that `tokens` tokens occupy; a bare size stands for models that cache all alike.
void set_active_tokens(EstimateReport& report, std::int64_t tokens) {
  Footprint& f = report.footprint;
  f.kv_active.basis = Basis::derived;
  f.kv_active.source = fmt::format("--active-tokens {}", tokens);
  if (report.model.source == ModelSource::params) {
    const double part =
        std::min(1.0, static_cast<double>(tokens) /
                          static_cast<double>(std::max<std::int64_t>(1, report.run.context_tokens)));
    for (const auto end : {&SizedPart::size, &SizedPart::low, &SizedPart::high})
      f.kv_active.*end = scaled_to_nearest(f.kv_cache.*end, part);
    return;
  }
  Bytes active;
  for (const auto& layer : report.context)
    if (std::holds_alternative<AttentionCache>(layer.memory)) active += active_size(layer.memory, tokens);
  f.kv_active.size = f.kv_active.low = f.kv_active.high = active;
}

/// What a size without a model reads for each token: the active share of its weights.
StorageReads reads_of_params(const EstimateReport& report) {
  const auto& model = report.model;
  const auto total = static_cast<double>(std::max<std::int64_t>(1, model.total_params.value()));
  const double active = model.active_params ? static_cast<double>(model.active_params->value()) / total : 1.0;
  const Footprint& f = report.footprint;
  const Bytes room = room_for_pages(f, *report.verdict.budget.value);
  const Bytes in_place = std::max(Bytes(0), f.host.weights - f.repacked.size);
  StorageReads reads;
  reads.token = disk_reads({Bytes(0), in_place, room, room}, active);
  return reads;
}

/// What paging costs where the speed does not say it: bytes, and what each GB/s of storage makes of them.
void note_paging(EstimateReport& report) {
  if (report.verdict.fit != Fit::pages_from_disk) return;
  const auto reads = report.storage.value_or(reads_of_params(report));
  if (!reads.token.any()) {
    report.notes.emplace_back(
        "what finds no room are pages that decoding does not read again, such as the originals of repacked "
        "weights");
    return;
  }
  std::string note =
      fmt::format("pages from disk: each token reads {} of weights from storage, {} to {}",
                  size_text(reads.token.mid), size_text(reads.token.low), size_text(reads.token.high));
  if (!report.storage || !report.storage->rate.known())
    note += fmt::format(", so {:.3g} tokens/s for each GB/s that it reads",
                        1e9 / static_cast<double>(std::max<std::int64_t>(1, reads.token.mid.value())));
  report.notes.push_back(std::move(note));
}

/// The engine goes on with a warning where it may not lock what --load-mode mlock wants locked.
void note_locking(const Host& host, EstimateReport& report) {
  const auto& limit = host.limits.memlock;
  if (!report.footprint.locked || !limit.known() || *limit.value >= report.footprint.file_backed) return;
  report.notes.push_back(fmt::format(
      "only {} may be locked here ({}), so most of the file stays unlocked: raise it with ulimit -l or "
      "LimitMEMLOCK=",
      size_text(*limit.value), limit.source));
}

/// Devices of the run: a machine that only --ram describes has none but those that --gpu names.
Result<void> add_devices(const Services& services, const Host& host, EstimateOptions& options,
                         std::vector<std::string>& notes) {
  auto gpus = gpus_of_run(services, options.gpus, options.ram ? Host{} : host, host_budget(options, host));
  if (!gpus) return tl::unexpected(gpus.error());
  options.sizing.offload.overrides.clear();
  if (auto applied = apply_gpus(options.gpus, *gpus, options.sizing.offload); !applied) return applied;
  options.speed.specs = std::move(gpus->specs);
  notes = std::move(gpus->notes);
  const auto idle = placing_flags(options.gpus, options.sizing.offload);
  if (gpus->devices.empty() && !idle.empty())
    notes.push_back(
        fmt::format("there is no GPU, so {} changes nothing; --gpu names one", fmt::join(idle, ", ")));
  return {};
}

/// --experts-used of a model that has none, or fewer.
void note_experts(const EstimateOptions& options, SizedReport& sized) {
  if (!options.speed.experts_used || !sized.sizing) return;
  const auto count = sized.sizing->model.hyperparameters.expert_count();
  if (*options.speed.experts_used > count)
    sized.report.notes.push_back(fmt::format("--experts-used {}: {} has {}", *options.speed.experts_used,
                                             sized.report.model.id,
                                             count > 0 ? fmt::format("{} experts", count) : "no experts"));
}

void judge_report(const EstimateOptions& options, const Host& host, EstimateReport& report) {
  report.budget_named = options.ram.has_value() || options.host_named || !options.gpus.wishes.empty() ||
                        options.requirement.has_value();
  const Fact<Bytes> budget = host_budget(options, host);
  const std::string bound_by = options.ram ? "--ram" : host.effective.bound_by;
  report.verdict = judge(report.footprint, budget, bound_by);
  if (!options.ram) note_locking(host, report);
}

/// Speeds on `host`; a machine that only --ram describes has no known bandwidth unless --bandwidth says it.
Result<void> add_speed(const Services& services, const EstimateOptions& options, const Host& host,
                       const std::optional<Sizing>& sizing, EstimateReport& report) {
  if (!sizing) {
    report.speed_unknown_because = "it depends on the model; -m NAME names one";
    return {};
  }
  return fill_speed(services, sizing->model, sizing->context, options.ram ? Host{} : host, options.speed,
                    report);
}

/// What twice the context takes more on the host, from a sizing of its own, since windows, states and scratch
/// do not grow with it. Nothing where that is more than the model was trained for, or where devices share the
/// layers.
std::optional<Bytes> cost_of_twice_the_context(const Services& services, const EstimateOptions& options,
                                               const SizedReport& sized) {
  const std::int64_t twice = saturating_multiply(sized.report.run.context_tokens, 2);
  // A bare size stands for models that cache every token alike.
  if (!sized.sizing) return sized.report.footprint.kv_cache.high;
  const std::int64_t trained = sized.sizing->model.hyperparameters.context_length();
  if (!sized.report.footprint.devices.empty() || (trained > 0 && twice > trained)) return std::nullopt;
  SizingRequest request = options.sizing;
  request.run.context_tokens = twice;
  // The model as it was loaded: a file's header need not be read twice, nor a hub asked.
  const Sizing& known = *sized.sizing;
  request.loaded = std::make_shared<const LoadedModel>(
      LoadedModel{known.model, known.architecture, known.quant, known.weights, known.file});
  const auto doubled = size_model(services, request);
  if (!doubled) return std::nullopt;
  return doubled->footprint.host_high() - sized.report.footprint.host_high();
}

/// Whether the model would run by paging weights if none of them were repacked.
bool runs_without_copies(const EstimateReport& report) {
  const Footprint& f = report.footprint;
  const auto& budget = report.verdict.budget;
  return f.repacked.size > Bytes(0) && f.file_backed > Bytes(0) && !f.locked && budget.known() &&
         f.host_high() - f.file_backed - f.repacked.size <= *budget.value;
}

/// The one flag most worth changing next, as a clause.
std::string next_step(const Services& services, const EstimateOptions& options, const SizedReport& sized) {
  const EstimateReport& report = sized.report;
  const Footprint& f = report.footprint;
  switch (report.verdict.fit) {
    case Fit::resident: {
      const auto more = cost_of_twice_the_context(services, options, sized);
      if (more && *more > Bytes(0) && report.verdict.headroom >= *more)
        return fmt::format("-c {} doubles the context for {} more", report.run.context_tokens * 2,
                           size_text(*more));
      return "--explain shows where each number comes from";
    }
    case Fit::pages_from_disk:
    case Fit::cannot:
      if (report.verdict.prompt_cache_decides) return "--cache-ram 0 does without the prompt cache";
      if (report.verdict.bound_by.starts_with("GPU"))
        return report.footprint.offload.gpu_layers > 0 ? "--gpu-layers moves fewer layers to the GPU"
                                                       : "a smaller --ubatch-size";
      if (f.kv_cache.size > f.weights.size)
        return fmt::format("-c {} halves the KV cache", report.run.context_tokens / 2);
      if (f.repacked.size.value() > 0 && f.repacked.size + report.verdict.headroom >= Bytes(0))
        return "--no-repack drops the second copy of the weights";
      if (report.verdict.fit == Fit::cannot && runs_without_copies(report))
        return "--no-repack drops the second copy of the weights, and the first can page from disk";
      return "a smaller --quant or model";
    case Fit::unknown:
      return "--ram SIZE names a budget to judge against";
  }
  return "";
}

}  // namespace

Result<void> check_options(const EstimateOptions& options) {
  const bool model = !options.sizing.model.empty();
  if (model && options.params)
    return fail(ErrorCode::usage, "--model and --params both name what to size", "Keep one of them.");
  if (!model && !options.params)
    return fail(ErrorCode::usage, "nothing to size",
                "Name a model (-m qwen2.5-7b-instruct, -m file.gguf) or a size (--params 32).");
  const auto& beside = options.sizing.companions;
  if (options.params &&
      (beside.drafts() || !beside.adapters.empty() || !beside.projector.empty() || beside.catalog_projector))
    return fail(ErrorCode::usage, "adapters, projectors and drafts belong to a model, not to --params",
                "Name the model with -m.");
  const auto& types = options.sizing.quantize;
  if (options.params &&
      (types.pure || types.output_tensor_type || types.token_embedding_type || !types.tensor_types.empty()))
    return fail(ErrorCode::usage, "types of single tensors belong to a model, not to --params",
                "Name the model with -m.");
  if (options.params && options.kv_budget)
    return fail(ErrorCode::usage, "--kv-budget needs a model, not --params", "Name one with -m.");
  if (options.turn_tokens && !options.kv_budget)
    return fail(ErrorCode::usage, "--turn-tokens counts the turns of --kv-budget", "Add --kv-budget SIZE.");
  if (options.active_params && !options.params)
    return fail(ErrorCode::usage, "--active-params goes with --params",
                "A named model knows its own experts.");
  if (options.active_params && *options.active_params > *options.params)
    return fail(ErrorCode::usage, "more parameters are active than there are",
                "--active-params is the part of --params that each token uses.");
  return {};
}

Fact<Bytes> host_budget(const EstimateOptions& options, const Host& host) {
  return options.ram ? overridden(*options.ram, "--ram") : host.effective.memory;
}

Result<void> fill_from_host(const Services& services, const Host& host, EstimateOptions& options,
                            std::vector<std::string>& notes) {
  // A host that only --ram describes is assumed to have AVX2, as nearly every x86 server has.
  if (!options.isa_named)
    options.sizing.residency.isa =
        options.ram ? std::vector<std::string>{"avx2"} : host.cpu.isa.value_or({"avx2"});
  return add_devices(services, host, options, notes);
}

Result<SizedReport> judged_report(const Services& services, const Host& host, EstimateOptions& options) {
  std::vector<std::string> device_notes;
  if (auto filled = fill_from_host(services, host, options, device_notes); !filled)
    return tl::unexpected(filled.error());
  SizedReport sized;
  auto report = size(services, options, sized.sizing);
  if (!report) return tl::unexpected(report.error());
  sized.report = std::move(*report);
  sized.report.residency = options.sizing.residency;
  sized.report.notes.insert(sized.report.notes.end(), device_notes.begin(), device_notes.end());
  note_experts(options, sized);
  if (options.active_tokens) set_active_tokens(sized.report, *options.active_tokens);
  if (sized.report.footprint.high.is_saturated())
    return fail(ErrorCode::overflow, "the sizes do not fit 64 bits",
                "Ask for a smaller context or fewer slots.");
  judge_report(options, host, sized.report);
  return sized;
}

Result<void> complete_report(const Services& services, const Host& host, const EstimateOptions& options,
                             SizedReport& sized) {
  if (auto filled = add_speed(services, options, host, sized.sizing, sized.report); !filled) return filled;
  note_paging(sized.report);
  sized.report.guide = guide_comparison(services, sized.report);
  sized.report.next_step = next_step(services, options, sized);
  return {};
}

bool is_met(const std::optional<Requirement>& requirement, Fit fit) {
  return fit == Fit::resident || fit == Fit::unknown ||
         (fit == Fit::pages_from_disk && requirement != Requirement::resident);
}

int exit_status_of(const EstimateOptions& options, const EstimateReport& report) {
  if (!report.budget_named) return exit_status::done;
  if (report.solution && report.solution->value.empty()) return exit_status::does_not_fit;
  return is_met(options.requirement, report.verdict.fit) ? exit_status::done : exit_status::does_not_fit;
}

}  // namespace llmsize::app
