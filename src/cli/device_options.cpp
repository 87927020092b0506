#include "llmsize/cli/device_options.hpp"

#include <cctype>

#include <fmt/format.h>

#include "llmsize/cli/setters.hpp"
#include "llmsize/cli/values.hpp"
#include "llmsize/core/text.hpp"

namespace llmsize::cli {
namespace {

/// The engine's own limit on devices (llama_max_devices, llama.cpp v0.5.0).
constexpr std::int64_t most_devices = 16;
constexpr std::int64_t most_layers = 1'000'000;

std::string trimmed(const std::string& text) {
  const auto begin = text.find_first_not_of(' ');
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

bool is_bare_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789.") == std::string::npos;
}

/// Takes "2x " or "2 x " off the front; 1 where there is none.
Result<std::int64_t> take_count(std::string& text) {
  std::size_t digits = 0;
  while (digits < text.size() && std::isdigit(static_cast<unsigned char>(text[digits])) != 0) ++digits;
  std::size_t at = digits;
  while (at < text.size() && text[at] == ' ') ++at;
  const bool counted = digits > 0 && at < text.size() && (text[at] == 'x' || text[at] == 'X');
  if (!counted) return 1;
  const auto count = parse_count(text.substr(0, digits), 1, most_devices);
  if (!count) return count;
  text = trimmed(text.substr(at + 1));
  return count;
}

Result<app::GpuWish> parse_gpu(const std::string& part) {
  app::GpuWish wish;
  std::string text = trimmed(part);
  const auto count = take_count(text);
  if (!count) return tl::unexpected(count.error());
  wish.count = *count;
  if (const auto equals = text.rfind('='); equals != std::string::npos) {
    const auto memory = parse_gpu_memory(trimmed(text.substr(equals + 1)));
    if (!memory) return tl::unexpected(memory.error());
    wish.memory = *memory;
    text = trimmed(text.substr(0, equals));
  } else if (parse_size(text)) {
    const auto memory = parse_gpu_memory(text);
    if (!memory) return tl::unexpected(memory.error());
    wish.memory = *memory;
    text.clear();
  }
  wish.name = text;
  if (wish.name.empty() && !wish.memory)
    return fail(ErrorCode::usage, fmt::format("\"{}\" names no GPU", part),
                "Write 24GiB, \"RTX 4090\" or \"2x RTX 4090\".");
  return wish;
}

Setter set_gpus(app::GpuOptions& gpus) {
  return [&gpus](const std::string& text) -> Result<void> {
    if (text == "none") {
      gpus.none = true;
      gpus.wishes.clear();
      return {};
    }
    auto wishes = parse_gpus(text);
    if (!wishes) return tl::unexpected(wishes.error());
    gpus.wishes = std::move(*wishes);
    gpus.none = false;
    return {};
  };
}

Setter set_vram(app::GpuOptions& gpus) {
  return [&gpus](const std::string& text) -> Result<void> {
    const auto size = parse_gpu_memory(text);
    if (!size) return tl::unexpected(size.error());
    gpus.wishes = {{1, {}, *size}};
    gpus.none = false;
    return {};
  };
}

Setter set_gpu_layers(std::optional<std::int64_t>& target) {
  return [&target](const std::string& text) -> Result<void> {
    if (text == "auto" || text == "-1") {
      target = fitting_gpu_layers;
    } else if (text == "all" || text == "-2") {
      target = all_gpu_layers;
    } else {
      const auto layers = parse_count(text, 0, most_layers);
      if (!layers)
        return fail(ErrorCode::usage, layers.error().message, "Write a number of layers, all or auto.");
      target = *layers;
    }
    return {};
  };
}

Setter set_split(std::vector<double>& target) {
  return [&target](const std::string& text) -> Result<void> {
    std::string list = text;
    for (char& c : list)
      if (c == '/') c = ',';
    const auto parts = parse_list(list);
    if (!parts) return tl::unexpected(parts.error());
    target.clear();
    for (const auto& part : *parts) {
      const auto share = parse_number(part, 0, 1e9);
      if (!share) return tl::unexpected(share.error());
      target.push_back(*share);
    }
    return {};
  };
}

Setter set_split_mode(app::GpuOptions& gpus, OffloadRequest& offload) {
  return [&gpus, &offload](const std::string& text) -> Result<void> {
    if (text == "tensor")
      return fail(ErrorCode::usage, "how --split-mode tensor spreads memory is not known",
                  "Use layer, row or none.");
    enum class Mode { layer, row, none } mode{};
    auto chosen =
        set_choice<Mode>(mode, {{"layer", Mode::layer}, {"row", Mode::row}, {"none", Mode::none}})(text);
    if (!chosen) return chosen;
    gpus.one_device = mode == Mode::none;
    offload.split_mode = mode == Mode::row ? SplitMode::row : SplitMode::layer;
    return {};
  };
}

Setter add_overrides(app::GpuOptions& gpus) {
  return [&gpus](const std::string& text) -> Result<void> {
    const auto rules = parse_list(text);
    if (!rules) return tl::unexpected(rules.error());
    for (const auto& rule : *rules) {
      const auto equals = rule.rfind('=');
      if (equals == std::string::npos || equals == 0 || equals + 1 == rule.size())
        return fail(ErrorCode::usage, fmt::format("\"{}\" is not REGEX=DEVICE", rule),
                    "For example '\\.ffn_.*_exps\\.=CPU'.");
      gpus.overrides.emplace_back(rule.substr(0, equals), rule.substr(equals + 1));
    }
    return {};
  };
}

Setter set_to(bool& target, bool value) {
  return [&target, value](const std::string&) -> Result<void> {
    target = value;
    return {};
  };
}

}  // namespace

Result<Bytes> parse_gpu_memory(const std::string& text) {
  // Twice the memory of the largest in data/gpus.json; "4090" is the name of a GPU.
  constexpr Bytes most_without_unit = gibibytes(576);
  const auto size = parse_size(text);
  if (size && *size > most_without_unit && is_bare_number(text))
    return fail(
        ErrorCode::usage, fmt::format("{} GiB are more than any GPU has", text),
        fmt::format("A bare number is GiB: name the GPU as in \"RTX {}\" (llmsize catalog list gpu), or "
                    "write the unit, {}GiB.",
                    text, text));
  return size;
}

Result<std::vector<app::GpuWish>> parse_gpus(const std::string& text) {
  const auto parts = parse_list(text);
  if (!parts) return tl::unexpected(parts.error());
  std::vector<app::GpuWish> wishes;
  std::int64_t count = 0;
  for (const auto& part : *parts) {
    auto wish = parse_gpu(part);
    if (!wish) return tl::unexpected(wish.error());
    count += wish->count;
    wishes.push_back(std::move(*wish));
  }
  if (count > most_devices)
    return fail(ErrorCode::usage, fmt::format("{} GPUs are more than the engine's {}", count, most_devices));
  return wishes;
}

OptionGroup device_options(app::GpuOptions& gpus, OffloadRequest& offload) {
  const auto set_expert_layers = [&offload](const std::string& text) -> Result<void> {
    const auto layers = parse_count(text, 0, most_layers);
    if (!layers) return tl::unexpected(layers.error());
    offload.cpu_expert_layers = *layers;
    return {};
  };
  const auto all_experts = [&offload](const std::string&) -> Result<void> {
    offload.cpu_expert_layers = most_layers;
    return {};
  };
  const auto set_margin = [&offload](const std::string& text) -> Result<void> {
    const auto mib = parse_count(text, 0, 1'000'000'000);
    if (!mib) return tl::unexpected(mib.error());
    offload.fit_margin = mebibytes(*mib);
    return {};
  };
  return {
      "Devices",
      {{{"--gpu"},
        "LIST",
        "GPUs by size or name: 24GiB,24GiB or \"2x RTX 4090\"; none (default: this host's)",
        set_gpus(gpus)},
       {{"--vram"}, "SIZE", "one GPU of this size, as --gpu SIZE", set_vram(gpus)},
       {{"-ngl", "--gpu-layers", "--n-gpu-layers"},
        "N|all|auto",
        "layers on the GPUs, the output counted as one (auto: as many as fit)",
        set_gpu_layers(gpus.gpu_layers)},
       {{"-ts", "--tensor-split"},
        "LIST",
        "proportions of the layers for each GPU, such as 3,1 (free memory)",
        set_split(offload.tensor_split)},
       {{"-sm", "--split-mode"},
        "layer|row|none",
        "what several GPUs share (layer)",
        set_split_mode(gpus, offload)},
       {{"-mg", "--main-gpu"},
        "N",
        "the only GPU used with --split-mode none (0)",
        set_count(gpus.main_gpu, 0, most_devices - 1)},
       {{"-ncmoe", "--n-cpu-moe"},
        "N",
        "the experts of the first N layers stay on the CPU",
        set_expert_layers},
       {{"-cmoe", "--cpu-moe"}, "", "all experts stay on the CPU", all_experts},
       {{"-ot", "--override-tensor"},
        "REGEX=DEVICE",
        "weights whose name matches are on CPU, GPU0, …; commas between several",
        add_overrides(gpus)},
       {{"-kvo", "--kv-offload"},
        "",
        "KV cache with its layer (the default)",
        set_to(offload.kv_offload, true)},
       {{"-nkvo", "--no-kv-offload"}, "", "KV cache on the CPU", set_to(offload.kv_offload, false)},
       {{"--op-offload"},
        "",
        "GPUs run large batches of the CPU's layers (the default)",
        set_to(offload.operation_offload, true)},
       {{"--no-op-offload"}, "", "the CPU runs its layers itself", set_to(offload.operation_offload, false)},
       {{"-fit", "--fit"},
        "on|off",
        "off: without a number of layers all move, whether they fit or not (on)",
        set_choice<bool>(gpus.fit, {{"on", true}, {"off", false}})},
       {{"-fitt", "--fit-target"}, "MIB", "what -ngl auto leaves free on each GPU (1024)", set_margin}}};
}

}  // namespace llmsize::cli
