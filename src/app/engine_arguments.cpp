#include "llmsize/app/engine_arguments.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/app/model_stores.hpp"

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
  // Said even where there is no GPU: the engine may find one that nobody told llmsize about.
  if (f.devices.empty()) {
    add(words, "--gpu-layers", 0);
    return;
  }
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
  if (!beside.draft_model.empty() && beside.draft_gpu_layers)
    add(words, "--gpu-layers-draft", *beside.draft_gpu_layers);
  if (beside.draft_cache_type_k) add(words, "--cache-type-k-draft", beside.draft_cache_type_k->name());
  if (beside.draft_cache_type_v) add(words, "--cache-type-v-draft", beside.draft_cache_type_v->name());
  if (beside.next_token_layers) add(words, "--spec-type", "draft-mtp");
  if (beside.drafts()) add(words, "--spec-draft-n-max", beside.drafted());
}

/// The repository that publishes GGUF files of a catalog model; empty where the catalog names none.
std::string gguf_repository(const Services& services, const std::string& model) {
  const auto reference = services.catalog.find_by_name("model", model);
  if (!reference) return {};
  const auto entry = services.catalog.parse(*reference);
  return entry ? entry->value("gguf_repo", std::string()) : std::string();
}

/// A model that one flag names to the engine as a file and another as a repository.
struct NamedModel {
  std::string name;   ///< As -m takes it.
  std::string quant;  ///< Asked for; empty: the file as it is.
  std::string sized_quant;
  std::string file_flag, repository_flag;
};

/// The file that the engine can load under that name.
Result<std::string> file_of(const Services& services, const std::string& name) {
  if (name.starts_with("ollama:")) return ollama_file(services, name);
  if (name.starts_with("lmstudio:")) return lmstudio_file(services, name);
  const bool converted = !name.ends_with(".json") && !name.ends_with(".safetensors");
  const bool there = services.files.exists(name) && !services.files.is_folder(name);
  if (name.ends_with(".gguf") || (converted && there)) return name;
  return fail(ErrorCode::not_found, "no file");
}

/// Adds what the engine can load under that name; what is only sized, not there, is said.
void add_model(EngineArguments& arguments, const Services& services, const NamedModel& model) {
  constexpr std::string_view hub = "hf:";
  const auto file = model.quant.empty() ? file_of(services, model.name) : fail(ErrorCode::not_found, "");
  if (file) {
    add(arguments.words, model.file_flag, *file);
    return;
  }
  std::string reference =
      model.name.starts_with(hub) ? model.name.substr(hub.size()) : gguf_repository(services, model.name);
  const bool asked_of_hub = model.name.starts_with(hub) && model.quant.empty();
  if (asked_of_hub) {
    add(arguments.words, model.repository_flag, reference);
    return;
  }
  if (reference.empty()) reference = "ORG/REPO";
  if (reference.find(':') == std::string::npos) reference += ":" + model.sized_quant;
  arguments.missing.push_back(fmt::format("{} names no GGUF file of {}: add {} FILE.gguf or {} {}",
                                          model.name, model.sized_quant, model.file_flag,
                                          model.repository_flag, reference));
}

}  // namespace

Result<EngineArguments> engine_arguments(const Services& services, const EstimateOptions& options,
                                         const EstimateReport& report) {
  if (options.params)
    return fail(ErrorCode::usage, "--args needs a model, not --params", "Name one with -m.");
  if (report.run.tool == Tool::bench)
    return fail(ErrorCode::usage, "--args prints llama-server's flags, and --tool bench is llama-bench",
                "Drop --tool bench.");
  EngineArguments arguments;
  Words& words = arguments.words;
  // A folder stands for the file in it.
  const auto& origin = report.model.origin;
  const auto& name = origin.ends_with(".gguf") ? origin : options.sizing.model;
  add_model(arguments, services, {name, options.sizing.quant, report.artifact.quant, "--model", "--hf-repo"});
  const auto& beside = options.sizing.companions;
  // From a repository the engine takes the projector too, unless it is told not to.
  const bool named_by_file = !words.empty() && words.front() == "--model";
  if (!named_by_file && beside.projector.empty() && !beside.catalog_projector) add(words, "--no-mmproj");
  if (!beside.draft_model.empty())
    add_model(arguments, services,
              {beside.draft_model, beside.draft_quant,
               beside.draft_quant.empty() ? default_file_type : beside.draft_quant, "--model-draft",
               "--hf-repo-draft"});
  add_run(words, options, report);
  add_devices(words, options, report);
  add_residency(words, options.sizing.residency);
  add_companions(words, options.sizing.companions);
  for (const auto& word : words)
    if (word.empty() || word.find_first_of(" \t\n*?[") != std::string::npos)
      return fail(ErrorCode::unsupported, fmt::format("a shell would split or expand \"{}\"", word),
                  "Rename the file, or take the words from --args --json.");
  return arguments;
}

}  // namespace llmsize::app
