#include "llmsize/cli/companion_options.hpp"

#include "llmsize/cli/setters.hpp"
#include "llmsize/cli/values.hpp"

namespace llmsize::cli {
namespace {

/// The engine's bound on layers, and on tokens drafted at once its bound on outputs of a batch.
constexpr std::int64_t most_layers = 1'000'000;
constexpr std::int64_t most_drafted = 1024;

Setter add_adapters(std::vector<std::string>& adapters) {
  return [&adapters](const std::string& text) -> Result<void> {
    const auto files = parse_list(text);
    if (!files) return tl::unexpected(files.error());
    adapters.insert(adapters.end(), files->begin(), files->end());
    return {};
  };
}

Setter set_flag(bool& target, bool value) {
  return [&target, value](const std::string&) -> Result<void> {
    target = value;
    return {};
  };
}

}  // namespace

OptionGroup companion_options(app::CompanionRequest& request, const TypeTable& types) {
  const auto set_draft_layers = [&request](const std::string& text) -> Result<void> {
    if (text == "all" || text == "auto") {
      request.draft_gpu_layers.reset();
      return {};
    }
    return set_count(request.draft_gpu_layers, 0, most_layers)(text);
  };
  return {"Beside the model",
          {{{"--lora"},
            "FILE[,FILE]",
            "GGUF adapters, in the buffers of the weights they change",
            add_adapters(request.adapters)},
           {{"-mm", "--mmproj"},
            "FILE",
            "the GGUF file of a vision or audio projector",
            set_text(request.projector)},
           {{"--mmproj-auto"},
            "",
            "the projector in the model's repository (hf:), or the one that the catalog has, at F16",
            set_flag(request.catalog_projector, true)},
           {{"--no-mmproj", "--no-mmproj-auto"},
            "",
            "no projector (the default here; the engine's -hf loads one unless told not to)",
            set_flag(request.catalog_projector, false)},
           {{"--mmproj-offload"},
            "",
            "the projector is on the first GPU (the default)",
            set_flag(request.projector_offload, true)},
           {{"--no-mmproj-offload"},
            "",
            "the projector is on the CPU",
            set_flag(request.projector_offload, false)},
           {{"-md", "--model-draft", "--spec-draft-model"},
            "NAME",
            "a draft model, named as --model; it gets the target's context",
            set_text(request.draft_model)},
           {{"-hfd", "--hf-repo-draft", "--spec-draft-hf"},
            "ORG/REPO[:QUANT]",
            "the same from a hub, as --model-draft hf:ORG/REPO",
            set_hub_name(request.draft_model)},
           {{"--quant-draft"},
            "TYPE",
            "file type of a draft model that is not quantized yet (Q4_K_M)",
            set_text(request.draft_quant)},
           {{"-ngld", "--gpu-layers-draft", "--spec-draft-ngl"},
            "N|all",
            "layers of the draft model on the GPUs (all)",
            set_draft_layers},
           {{"-ctkd", "--cache-type-k-draft"},
            "TYPE",
            "type of the draft model's cached keys (f16)",
            set_type(request.draft_cache_type_k, types)},
           {{"-ctvd", "--cache-type-v-draft"},
            "TYPE",
            "type of its cached values (f16)",
            set_type(request.draft_cache_type_v, types)},
           {{"--spec-draft-n-max", "--draft-max"},
            "N",
            "tokens drafted at once, each with a row of logits to check (3)",
            set_count(request.draft_tokens, 1, most_drafted)},
           {{"--spec-type"},
            "none|draft-mtp",
            "draft-mtp: the model's own next-token layers draft",
            set_choice<bool>(request.next_token_layers, {{"none", false}, {"draft-mtp", true}})},
           {{"--orchestration"},
            "SIZE",
            "memory of what runs around the engine, such as agents or retrieval (0)",
            set_size(request.orchestration)}}};
}

}  // namespace llmsize::cli
