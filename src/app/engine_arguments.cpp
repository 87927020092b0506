#include "llmsize/app/engine_arguments.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace llmsize::app {
namespace {

using Words = std::vector<std::string>;

void add(Words& words, std::string flag) {
  words.push_back(std::move(flag));
}

template <class Value>
void add(Words& words, std::string flag, const Value& value) {
  words.push_back(std::move(flag));
  words.push_back(fmt::format("{}", value));
}

void add_run(Words& words, const EstimateOptions& options, const EstimateReport& report) {
  const Run& run = report.run;
  add(words, "--ctx-size", run.context_tokens);
  add(words, "--batch-size", run.batch_tokens);
  add(words, "--ubatch-size", run.ubatch_tokens);
  add(words, "--parallel", run.sequences);
  add(words, run.kv_unified ? "--kv-unified" : "--no-kv-unified");
  add(words, "--cache-type-k", run.cache_type_k.name());
  add(words, "--cache-type-v", run.cache_type_v.name());
  add(words, "--flash-attn", run.flash_attention ? "on" : "off");
  if (run.swa_full) add(words, "--swa-full");
  if (run.embeddings) add(words, "--embedding");
  constexpr std::int64_t mebibyte = 1 << 20;
  add(words, "--cache-ram", options.sizing.residency.prompt_cache_cap.value() / mebibyte);
}

void add_residency(Words& words, const Residency& residency) {
  constexpr const char* modes[] = {"mmap", "none", "mlock"};
  add(words, "--load-mode", modes[static_cast<int>(residency.load_mode)]);
  if (!residency.repack) add(words, "--no-repack");
}

std::string list_of(const std::vector<double>& numbers) {
  std::string list;
  for (const double number : numbers) list += fmt::format("{}{:g}", list.empty() ? "" : ",", number);
  return list;
}

void add_devices(Words& words, const EstimateOptions& options, const EstimateReport& report) {
  const Footprint& f = report.footprint;
  if (f.devices.empty()) return;
  add(words, "--fit", "off");
  add(words, "--gpu-layers", f.offload.gpu_layers);
  if (!f.offload.tensor_split.empty()) add(words, "--tensor-split", list_of(f.offload.tensor_split));
  if (options.gpus.one_device) add(words, "--split-mode", "none");
  if (f.offload.split_mode == SplitMode::row) add(words, "--split-mode", "row");
  if (options.gpus.main_gpu) add(words, "--main-gpu", *options.gpus.main_gpu);
  const auto layers = static_cast<std::int64_t>(f.placement.layer_devices.size());
  if (f.offload.cpu_expert_layers > 0)
    add(words, "--n-cpu-moe", std::min(f.offload.cpu_expert_layers, layers));
  for (const auto& [pattern, device] : options.gpus.overrides)
    add(words, "--override-tensor", pattern + "=" + device);
  if (!f.offload.kv_offload) add(words, "--no-kv-offload");
  if (!f.offload.operation_offload) add(words, "--no-op-offload");
}

void add_companions(Words& words, const CompanionRequest& beside) {
  for (const auto& adapter : beside.adapters) add(words, "--lora", adapter);
  if (!beside.projector.empty() || beside.catalog_projector) {
    if (beside.projector.empty())
      add(words, "--mmproj-auto");
    else
      add(words, "--mmproj", beside.projector);
    if (!beside.projector_offload) add(words, "--no-mmproj-offload");
  }
  if (beside.draft_model.ends_with(".gguf")) add(words, "--model-draft", beside.draft_model);
  if (!beside.draft_model.empty() && beside.draft_gpu_layers)
    add(words, "--gpu-layers-draft", *beside.draft_gpu_layers);
  if (beside.draft_cache_type_k) add(words, "--cache-type-k-draft", beside.draft_cache_type_k->name());
  if (beside.draft_cache_type_v) add(words, "--cache-type-v-draft", beside.draft_cache_type_v->name());
  if (beside.next_token_layers) add(words, "--spec-type", "draft-mtp");
  if (beside.drafts()) add(words, "--spec-draft-n-max", beside.drafted());
}

}  // namespace

Result<std::vector<std::string>> engine_arguments(const EstimateOptions& options,
                                                  const EstimateReport& report) {
  if (options.params)
    return fail(ErrorCode::usage, "--args needs a model, not --params", "Name one with -m.");
  if (report.run.tool == Tool::bench)
    return fail(ErrorCode::usage, "--args prints llama-server's flags, and --tool bench is llama-bench",
                "Drop --tool bench.");
  Words words;
  const bool as_on_disk = report.model.source == ModelSource::gguf && options.sizing.quant.empty();
  if (as_on_disk) add(words, "--model", report.model.origin);
  add_run(words, options, report);
  add_devices(words, options, report);
  add_residency(words, options.sizing.residency);
  add_companions(words, options.sizing.companions);
  for (const auto& word : words)
    if (word.empty() || word.find_first_of(" \t\n*?[") != std::string::npos)
      return fail(ErrorCode::unsupported, fmt::format("a shell would split or expand \"{}\"", word),
                  "Rename the file, or take the words from --args --json.");
  return words;
}

}  // namespace llmsize::app
