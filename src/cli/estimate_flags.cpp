#include "llmsize/cli/estimate_flags.hpp"

#include <fmt/format.h>

#include "llmsize/app/local_host.hpp"
#include "llmsize/cli/companion_options.hpp"
#include "llmsize/cli/device_options.hpp"
#include "llmsize/cli/setters.hpp"
#include "llmsize/cli/values.hpp"

namespace llmsize::cli {
namespace {

using app::EstimateOptions;

/// The engine's own bound on parallel sequences (LLAMA_MAX_SEQ).
constexpr std::int64_t highest_parallel = 256;

OptionGroup model_options(EstimateOptions& o, const TypeTable& types) {
  const auto tensor_type_rule = [&o, &types](const std::string& text) -> Result<void> {
    // The first '=' ends the pattern, as in the engine.
    const auto equals = text.find('=');
    std::optional<TensorType> type;
    if (equals == std::string::npos || equals == 0)
      return fail(ErrorCode::usage, fmt::format("\"{}\" is not REGEX=TYPE", text),
                  "For example attn_v=q8_0.");
    if (auto set = set_type(type, types)(text.substr(equals + 1)); !set) return set;
    o.sizing.quantize.tensor_types.emplace_back(text.substr(0, equals), *type);
    return {};
  };
  return {
      "Model",
      {{{"-m", "--model"},
        "NAME",
        "GGUF file, config.json folder, hf:ORG/REPO[:QUANT], ollama:NAME, lmstudio:NAME, catalog id or alias",
        set_text(o.sizing.model)},
       {{"-hf", "--hf-repo"},
        "ORG/REPO[:QUANT]",
        "a model on a hub, as --model hf:ORG/REPO",
        set_hub_name(o.sizing.model)},
       {{"--params"},
        "N",
        "parameters in billions (32, 0.5, 270M) instead of a model: answers with intervals",
        set_params(o.params)},
       {{"-A", "--active-params"},
        "N",
        "with --params: parameters active per token, for a mixture of experts",
        set_params(o.active_params)},
       {{"--quant"},
        "TYPE",
        "file type to quantize to, such as Q4_K_M (default: the file's own, else Q4_K_M)",
        set_text(o.sizing.quant)},
       {{"--imatrix"}, "", "the quantizer has an importance matrix", set_true(o.sizing.quantize.imatrix)},
       {{"--pure"}, "", "every tensor takes the file type's default", set_true(o.sizing.quantize.pure)},
       {{"--output-tensor-type"},
        "TYPE",
        "type of the output tensor",
        set_type(o.sizing.quantize.output_tensor_type, types)},
       {{"--token-embedding-type"},
        "TYPE",
        "type of the token embeddings",
        set_type(o.sizing.quantize.token_embedding_type, types)},
       {{"--tensor-type"},
        "REGEX=TYPE",
        "type of the tensors whose name matches; repeatable",
        tensor_type_rule}}};
}

OptionGroup run_options(EstimateOptions& o, const TypeTable& types) {
  RunRequest& run = o.sizing.run;
  return {
      "Run (llama-server's flags and defaults)",
      {{{"-c", "--ctx-size"},
        "N",
        "context in tokens, 64k works (default: 8192 or the trained context, the smaller)",
        set_tokens(run.context_tokens)},
       {{"-b", "--batch-size"}, "N", "logical batch in tokens (2048)", set_tokens(run.batch_tokens)},
       {{"-ub", "--ubatch-size"}, "N", "micro-batch in tokens (512)", set_tokens(run.ubatch_tokens)},
       {{"-np", "--parallel"},
        "N",
        "server slots (4 that share one cache)",
        set_count(run.parallel, 1, highest_parallel)},
       {{"-kvu", "--kv-unified"}, "", "all slots share one cache", set_switch(run.kv_unified, true)},
       {{"--no-kv-unified"},
        "",
        "each slot has its own part of the cache",
        set_switch(run.kv_unified, false)},
       {{"-ctk", "--cache-type-k"}, "TYPE", "type of cached keys (f16)", set_type(run.cache_type_k, types)},
       {{"-ctv", "--cache-type-v"}, "TYPE", "type of cached values (f16)", set_type(run.cache_type_v, types)},
       {{"-fa", "--flash-attn"},
        "on|off|auto",
        "flash attention (auto)",
        set_choice<FlashAttention>(
            run.flash_attention,
            {{"on", FlashAttention::on}, {"off", FlashAttention::off}, {"auto", FlashAttention::automatic}})},
       {{"--swa-full"}, "", "sliding-window layers cache the whole context", set_true(run.swa_full)},
       {{"--tool"},
        "server|bench",
        "which program runs it; bench may output logits for every token (server)",
        set_choice<Tool>(run.tool, {{"server", Tool::server}, {"bench", Tool::bench}})},
       {{"--embedding", "--embeddings"},
        "",
        "the server answers with embeddings, so every token of a batch may be an output",
        set_true(run.embeddings)},
       {{"--active-tokens"},
        "N",
        "tokens held so far, for the active part of the KV cache",
        set_tokens(o.active_tokens)}}};
}

OptionGroup memory_options(EstimateOptions& o) {
  Residency& residency = o.sizing.residency;
  const auto set_isa = [&o, set = set_instruction_sets(residency.isa)](const std::string& text) {
    o.isa_named = true;
    return set(text);
  };
  const auto set_cache_ram = [&residency](const std::string& text) -> Result<void> {
    // llama-server's own unit: MiB, 0 for none.
    const auto mib = parse_count(text, 0, 1'000'000'000);
    if (!mib) return tl::unexpected(mib.error());
    residency.prompt_cache_cap = mebibytes(*mib);
    return {};
  };
  const auto set_load_mode = [&residency](LoadMode mode) {
    return [&residency, mode](const std::string&) -> Result<void> {
      residency.load_mode = mode;
      return {};
    };
  };
  return {"Memory",
          {{{"-lm", "--load-mode"},
            "MODE",
            "auto, mmap, none or mlock (auto, which is mmap)",
            set_choice<LoadMode>(residency.load_mode, {{"auto", LoadMode::mmap},
                                                       {"mmap", LoadMode::mmap},
                                                       {"none", LoadMode::none},
                                                       {"mlock", LoadMode::mlock}})},
           {{"--mmap"}, "", "map the file", set_load_mode(LoadMode::mmap)},
           {{"--no-mmap"}, "", "read weights into anonymous memory", set_load_mode(LoadMode::none)},
           {{"--mlock"}, "", "keep mapped weights locked", set_load_mode(LoadMode::mlock)},
           {{"--repack"},
            "",
            "allow weights in the processor's own layout (the engine's default)",
            [&residency](const std::string&) -> Result<void> {
              residency.repack = true;
              return {};
            }},
           {{"-nr", "--no-repack"},
            "",
            "keep weights as they are in the file",
            [&residency](const std::string&) -> Result<void> {
              residency.repack = false;
              return {};
            }},
           {{"--isa"},
            "LIST",
            "instruction sets that decide repacking, such as avx2,avx512f,avx512_vnni (default: this host's)",
            set_isa},
           {{"-cram", "--cache-ram"}, "MIB", "cap of the server's prompt cache (8192)", set_cache_ram}}};
}

OptionGroup speed_options(EstimateOptions& o) {
  constexpr std::int64_t most_threads = 4096;
  constexpr std::int64_t most_experts = 4096;
  const auto set_threads = [&o](const std::string& text) -> Result<void> {
    const auto threads = parse_count(text, 1, most_threads);
    if (!threads) return tl::unexpected(threads.error());
    o.speed.threads = static_cast<int>(*threads);
    return {};
  };
  return {"Speed",
          {{{"--bandwidth"},
            "GB/S",
            "memory bandwidth in 10^9 bytes per second (default: what the host's facts say)",
            set_rate(o.speed.bandwidth)},
           {{"--cpu"},
            "NAME",
            "a processor of the catalog, or \"2x NAME\", instead of this host's",
            set_text(o.speed.cpu)},
           {{"--storage-speed"},
            "GB/S",
            "what weights that do not fit in memory are read with (default: as measured on the host)",
            set_rate(o.speed.storage)},
           {{"-t", "--threads"}, "N", "threads that decode (the host's physical cores)", set_threads},
           {{"--experts-used"},
            "N",
            "experts per token, instead of the model's own number",
            set_count(o.speed.experts_used, 1, most_experts)},
           {{"--depth"},
            "N",
            "tokens before the one decoded (default: the whole context)",
            set_tokens(o.speed.depth)}}};
}

OptionGroup limit_options(EstimateOptions& o) {
  const auto set_solve = [&o](const std::string& text) -> Result<void> {
    app::SolveFor solve{};
    auto chosen = set_choice<app::SolveFor>(solve, {{"context", app::SolveFor::context},
                                                    {"parallel", app::SolveFor::parallel},
                                                    {"quant", app::SolveFor::quant},
                                                    {"gpu-layers", app::SolveFor::gpu_layers}})(text);
    if (chosen) o.solve = solve;
    return chosen;
  };
  return {
      "How much fits",
      {{{"--solve"},
        "context|parallel|quant|gpu-layers",
        "the largest that fits the budget, and what the next step lacks",
        set_solve},
       {{"--kv-budget"},
        "SIZE",
        "how many tokens so much KV cache holds, and how many are left",
        set_size(o.kv_budget)},
       {{"--turn-tokens"},
        "N",
        "with --kv-budget: tokens of a question with its answer, to count turns",
        set_tokens(o.turn_tokens)},
       {{"--stress"}, "", "every slot at its longest input and output at once", set_true(o.stress)},
       {{"--input-tokens"}, "N", "with --stress: the longest input of a slot", set_tokens(o.input_tokens)},
       {{"--output-tokens"},
        "N",
        "with --stress: the longest output of a slot",
        set_tokens(o.output_tokens)}}};
}

/// What an answer is judged against.
std::vector<Option> budget_options(EstimateFlags& flags) {
  EstimateOptions& o = flags.options;
  const auto set_requirement = [&o](const std::string& text) -> Result<void> {
    app::Requirement requirement{};
    auto chosen = set_choice<app::Requirement>(
        requirement, {{"runs", app::Requirement::runs}, {"resident", app::Requirement::resident}})(text);
    if (chosen) o.requirement = requirement;
    return chosen;
  };
  return {{{"--ram"},
           "SIZE",
           "judge against this much memory instead of this host's; exit status 3 if it does not fit",
           set_size(o.ram)},
          {{"--host"},
           "FILE",
           "judge against the host in a saved `llmsize probe --json`",
           set_text(flags.host_file)},
          {{"--require"},
           "runs|resident",
           "what counts as fitting (runs: paging weights from disk is accepted; with --solve: resident)",
           set_requirement}};
}

OptionGroup answer_options(EstimateFlags& flags) {
  EstimateOptions& o = flags.options;
  OptionGroup group{"Budget and answer", budget_options(flags)};
  group.options.insert(
      group.options.end(),
      {{{"--hosts"},
        "DIR",
        "which hosts run it: every saved `llmsize probe --json` in a folder",
        set_text(o.hosts_folder)},
       {{"--method"},
        "exact|guide",
        "guide: the sizing guide's arithmetic, step by step",
        set_choice<bool>(o.guide_method, {{"exact", false}, {"guide", true}})},
       {{"--args"},
        "",
        "only llama-server's flags that make the answer true: llama-server $(llmsize estimate … --args)",
        set_true(o.arguments_only)},
       {{"--explain"}, "", "where each number comes from, and every tensor", set_true(o.explain)},
       {{"--json"}, "", "one JSON document", set_true(o.json)}});
  return group;
}

}  // namespace

std::vector<OptionGroup> item_groups(EstimateFlags& flags, const TypeTable& types) {
  EstimateOptions& o = flags.options;
  return {model_options(o, types),
          run_options(o, types),
          device_options(o.gpus, o.sizing.offload),
          companion_options(o.sizing.companions, types),
          memory_options(o),
          speed_options(o),
          limit_options(o),
          {"Budget", budget_options(flags)}};
}

std::vector<OptionGroup> estimate_groups(EstimateFlags& flags, const TypeTable& types) {
  auto groups = item_groups(flags, types);
  groups.back() = answer_options(flags);
  return groups;
}

std::vector<OptionGroup> machine_groups(EstimateFlags& flags, const TypeTable& types) {
  EstimateOptions& o = flags.options;
  return {{"Budget", budget_options(flags)},
          device_options(o.gpus, o.sizing.offload),
          run_options(o, types),
          memory_options(o),
          speed_options(o)};
}

Result<Host> judging_host(const app::Services& services, EstimateFlags& flags) {
  EstimateOptions& o = flags.options;
  if (!flags.host_file.empty()) {
    if (o.ram)
      return fail(ErrorCode::usage, "--ram describes one machine and --host another", "Give one of them.");
    if (!o.hosts_folder.empty())
      return fail(ErrorCode::usage, "--hosts brings its own machines", "Drop --host.");
    o.host_named = true;
  }
  return app::host_for_budget(services, flags.host_file);
}

}  // namespace llmsize::cli
