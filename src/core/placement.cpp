#include "llmsize/core/placement.hpp"

#include <algorithm>
#include <cmath>
#include <regex>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "llmsize/core/architecture.hpp"
#include "llmsize/core/model.hpp"

namespace llmsize {
namespace {

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

/// Where a tensor outside the layers belongs.
enum class Home { input, output, first_layer, layers_that_use_it };

/// Names outside the layers that belong elsewhere than with the output. Source: the engine's table of tensors
/// (llama.cpp v0.5.0, llama-arch) and its recorded buffers.
Home home_of(const Model& model, std::string_view name) {
  struct Row {
    std::string_view start;
    Home home;
  };
  constexpr Row rows[] = {{"token_embd_norm.", Home::input},
                          {"token_embd.", Home::input},
                          {"position_embd.", Home::input},
                          {"token_types.", Home::input},
                          {"per_layer_token_embd.", Home::input},
                          {"per_layer_model_proj.", Home::first_layer},
                          {"per_layer_proj_norm.", Home::first_layer},
                          {"rope_freqs.", Home::layers_that_use_it},
                          {"rope_factors_", Home::layers_that_use_it}};
  // LFM2 files call their output norm so.
  if (starts_with(model.architecture, "lfm2") && starts_with(name, "token_embd_norm.")) return Home::output;
  for (const auto& row : rows)
    if (starts_with(name, row.start)) return row.home;
  return Home::output;
}

/// Experts' weights, which -ncmoe keeps on the host.
bool is_expert_weight(std::string_view name) {
  constexpr std::string_view parts[] = {"up_", "down_", "gate_", "gate_up_"};
  constexpr std::string_view ends[] = {"exps", "chexps"};
  constexpr std::string_view start = ".ffn_";
  const auto at = name.find(start);
  if (at == std::string_view::npos) return false;
  const auto rest = name.substr(at + start.size());
  for (const auto part : parts)
    for (const auto end : ends)
      if (starts_with(rest, part) && starts_with(rest.substr(part.size()), end)) return true;
  return false;
}

/// Matrices that are multiplied with, which is what --split-mode row cuts; stacks of experts stay whole.
bool is_cut_by_rows(const Tensor& tensor) {
  constexpr std::string_view others[] = {"token_embd.", "conv", "ssm_a", "ssm_d", "position_embd."};
  const std::string_view name = tensor.name;
  if (tensor.rank() != 2 || name.substr(name.size() - std::min<std::size_t>(name.size(), 7)) != ".weight")
    return false;
  return std::none_of(std::begin(others), std::end(others),
                      [&](std::string_view part) { return name.find(part) != std::string_view::npos; });
}

/// Rows are handed out in groups of this many (llama.cpp v0.5.0, ggml-cuda, get_row_rounding on Volta and
/// later).
constexpr std::int64_t rows_per_group = 128;

/// Cumulative shares of the devices, in single precision as the engine computes them.
Result<std::vector<float>> cumulative_split(const OffloadRequest& request) {
  std::vector<float> split;
  if (request.tensor_split.size() > request.devices.size())
    return fail(ErrorCode::usage,
                fmt::format("--tensor-split names {} devices, there are {}", request.tensor_split.size(),
                            request.devices.size()),
                "Give one proportion per device.");
  for (std::size_t i = 0; i < request.devices.size(); ++i) {
    double share = 0;
    if (!request.tensor_split.empty()) {
      share = i < request.tensor_split.size() ? request.tensor_split[i] : 0;
    } else if (const auto& capacity = request.devices[i].capacity; capacity.known()) {
      share = static_cast<double>(capacity.value->value());
    } else if (request.devices.size() > 1) {
      return fail(ErrorCode::usage,
                  fmt::format("the memory of {} is unknown, so layers cannot be split by it",
                              request.devices[i].name),
                  "Give --tensor-split, or the sizes with --gpu.");
    } else {
      share = 1;
    }
    if (!std::isfinite(share) || share < 0)
      return fail(ErrorCode::usage, "--tensor-split has a negative proportion",
                  "Give proportions of 0 or more.");
    split.push_back((split.empty() ? 0.0F : split.back()) + static_cast<float>(share));
  }
  if (!split.empty() && split.back() <= 0)
    return fail(ErrorCode::usage, "--tensor-split gives nothing to any device",
                "Give a positive proportion.");
  const float sum = split.empty() ? 1.0F : split.back();
  for (auto& share : split) share /= sum;
  return split;
}

/// Device of a layer, or of the output as layer `layers`.
int device_of(int layer, int layers, std::int64_t gpu_layers, const std::vector<float>& split) {
  const auto moved = std::clamp<std::int64_t>(gpu_layers, 0, layers + 1);
  const auto start = layers + 1 - moved;
  if (split.empty() || layer < start) return Placement::host;
  const float place = static_cast<float>(layer - start) / static_cast<float>(moved);
  const auto found = std::upper_bound(split.begin(), split.end(), place);
  return static_cast<int>(
      std::min<std::ptrdiff_t>(found - split.begin(), static_cast<std::ptrdiff_t>(split.size()) - 1));
}

struct Placer {
  const Model& model;
  const Architecture& architecture;
  const OffloadRequest& request;
  const std::vector<float>& split;
  Placement& placement;

  [[nodiscard]] int layer_device(int layer) const {
    const auto index = static_cast<std::size_t>(layer);
    return layer >= 0 && index < placement.layer_devices.size() ? placement.layer_devices[index]
                                                                : placement.output_device;
  }
  DeviceShare& share(int device) { return placement.shares[static_cast<std::size_t>(device + 1)]; }

  void add_weight(const Tensor& tensor, int device) {
    const BufferRule rule = device == Placement::host
                                ? cpu_buffer_rule
                                : request.devices[static_cast<std::size_t>(device)].buffer;
    share(device).weights += buffer_size(tensor, rule);
  }

  /// A weight of a layer or of the output: whole on `device`, or its rows over all of them.
  void add_multiplied(const Tensor& tensor, int device) {
    const bool cut = request.split_mode == SplitMode::row && request.devices.size() > 1 &&
                     device != Placement::host && is_cut_by_rows(tensor);
    if (!cut) return add_weight(tensor, device);
    std::int64_t first = 0;
    for (std::size_t i = 0; i < split.size(); ++i) {
      auto end = static_cast<std::int64_t>(static_cast<float>(tensor.dimensions[1]) * split[i]);
      end = i + 1 == split.size() ? tensor.dimensions[1] : end - end % rows_per_group;
      Tensor part = tensor;
      part.dimensions[1] = std::max<std::int64_t>(0, end - first);
      if (part.dimensions[1] > 0) add_weight(part, static_cast<int>(i));
      first = std::max(first, end);
    }
  }

  /// Frequencies exist once on each device that holds a layer turning by them; Gemma 4's windowed layers do
  /// not.
  void add_frequencies(const Tensor& tensor) {
    const bool dense_only = model.architecture == "gemma4";
    std::set<int> devices;
    for (int layer = 0; layer < model.hyperparameters.main_layer_count(); ++layer)
      if (!dense_only || !is_windowed(architecture.cache, model.hyperparameters, layer))
        devices.insert(layer_device(layer));
    for (const int device : devices) add_weight(tensor, device);
  }

  void add_outside_layers(const Tensor& tensor, bool tied) {
    const auto home = home_of(model, tensor.name);
    if (home == Home::layers_that_use_it) return add_frequencies(tensor);
    if (home == Home::first_layer) return add_multiplied(tensor, layer_device(0));
    if (home == Home::output) return add_multiplied(tensor, placement.output_device);
    add_weight(tensor, Placement::host);
    const bool second = placement.output_device != Placement::host || copies_in_engine(model, tensor) > 1;
    if (tied && second && tensor.name == "token_embd.weight") add_weight(tensor, placement.output_device);
  }

  void add_weights() {
    const bool tied = model.find_tensor("output.weight") == nullptr;
    for (const auto& tensor : model.tensors) {
      if (copies_in_engine(model, tensor) == 0) continue;
      if (const auto moved = placement.overridden.find(tensor.name); moved != placement.overridden.end()) {
        add_weight(tensor, moved->second);
        continue;
      }
      const int layer = layer_of(tensor.name);
      if (layer < 0) {
        add_outside_layers(tensor, tied);
        continue;
      }
      const bool kept = layer < request.cpu_expert_layers && is_expert_weight(tensor.name);
      add_multiplied(tensor, kept ? Placement::host : layer_device(layer));
    }
  }

  void add_context(const ContextLayout& layout) {
    for (const auto& entry : layout) {
      const int device = request.kv_offload ? layer_device(entry.layer) : Placement::host;
      const auto alignment = device == Placement::host
                                 ? cpu_buffer_rule.alignment
                                 : request.devices[static_cast<std::size_t>(device)].buffer.alignment;
      const Bytes size = allocated_size(entry.memory, alignment);
      (std::holds_alternative<RecurrentState>(entry.memory) ? share(device).states : share(device).caches) +=
          size;
    }
  }
};

/// The weights that the overrides' patterns match, and where to they move.
Result<std::map<std::string, int, std::less<>>> overridden(const Model& model,
                                                           const OffloadRequest& request) {
  std::map<std::string, int, std::less<>> moved;
  for (const auto& rule : request.overrides) {
    try {
      const std::regex pattern(rule.pattern);
      for (const auto& tensor : model.tensors)
        if (std::regex_search(tensor.name, pattern)) moved.emplace(tensor.name, rule.device);
    } catch (const std::regex_error&) {
      return fail(ErrorCode::usage,
                  fmt::format("--override-tensor: \"{}\" is not a regular expression", rule.pattern),
                  "Write REGEX=DEVICE, for example '\\.ffn_.*_exps\\.=CPU'.");
    }
  }
  return moved;
}

}  // namespace

Result<Placement> place(const Model& model, const Architecture& architecture, const ContextLayout& layout,
                        const OffloadRequest& request) {
  if (request.gpu_layers < 0 || request.cpu_expert_layers < 0)
    return fail(ErrorCode::usage, "--gpu-layers and --n-cpu-moe must not be negative", "Give 0 or more.");
  const auto split = cumulative_split(request);
  if (!split) return tl::unexpected(split.error());
  Placement placement;
  placement.shares.push_back({"CPU", {}, {}, {}, unknown<Bytes>("the host's budget is judged apart")});
  for (const auto& device : request.devices)
    placement.shares.push_back({device.name, {}, {}, {}, device.capacity});
  const int layers = model.hyperparameters.layer_count();
  for (int layer = 0; layer < layers; ++layer)
    placement.layer_devices.push_back(device_of(layer, layers, request.gpu_layers, *split));
  placement.output_device = device_of(layers, layers, request.gpu_layers, *split);
  auto moved = overridden(model, request);
  if (!moved) return tl::unexpected(moved.error());
  placement.overridden = std::move(*moved);
  Placer placer{model, architecture, request, *split, placement};
  placer.add_weights();
  placer.add_context(layout);
  return placement;
}

int device_of_weight(const Model& model, const Placement& placement, const OffloadRequest& request,
                     std::string_view name) {
  if (const auto moved = placement.overridden.find(name); moved != placement.overridden.end())
    return moved->second;
  const int layer = layer_of(name);
  const auto layer_device = [&](int of) {
    const auto index = static_cast<std::size_t>(of);
    return index < placement.layer_devices.size() ? placement.layer_devices[index] : placement.output_device;
  };
  if (layer >= 0)
    return layer < request.cpu_expert_layers && is_expert_weight(name) ? Placement::host
                                                                       : layer_device(layer);
  const Home home = home_of(model, name);
  if (home == Home::layers_that_use_it) return everywhere;
  if (home == Home::first_layer) return layer_device(0);
  return home == Home::output ? placement.output_device : Placement::host;
}

}  // namespace llmsize
