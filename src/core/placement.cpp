#include "llmsize/core/placement.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "llmsize/core/architecture.hpp"
#include "llmsize/core/model.hpp"
#include "llmsize/core/pattern.hpp"
#include "placer.hpp"

namespace llmsize {
namespace {

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

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
  // Asked for every weight, of which few are experts'.
  if (name.find(ends[0]) == std::string_view::npos) return false;
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

/// The weights that the overrides' patterns match, and where to they move.
Result<std::map<std::string, int, std::less<>>> overridden(const Model& model,
                                                           const OffloadRequest& request) {
  std::map<std::string, int, std::less<>> moved;
  for (const auto& rule : request.overrides) {
    const auto pattern = Pattern::compile(rule.pattern);
    if (!pattern)
      return fail(ErrorCode::usage,
                  fmt::format("--override-tensor: \"{}\" is not a regular expression", rule.pattern),
                  "Write REGEX=DEVICE, for example '\\.ffn_.*_exps\\.=CPU'.");
    for (const auto& tensor : model.tensors)
      if (pattern->found_in(tensor.name)) moved.emplace(tensor.name, rule.device);
  }
  return moved;
}

/// Whether two weights are always on the same device, so that they can be placed as one.
bool go_together(const PlacedWeight& a, const PlacedWeight& b) {
  const auto plain = [](const PlacedWeight& w) { return w.layer >= 0 && !w.cut && !w.moved; };
  return plain(a) && plain(b) && a.layer == b.layer && a.expert == b.expert;
}

DeviceShare& share_of(Placement& placement, int device) {
  return placement.shares[static_cast<std::size_t>(device + 1)];
}

}  // namespace

int layer_device(const Placement& placement, int layer) {
  const auto index = static_cast<std::size_t>(layer);
  return layer >= 0 && index < placement.layer_devices.size() ? placement.layer_devices[index]
                                                              : placement.output_device;
}

std::optional<std::size_t> host_weights_runner(const OffloadRequest& request) {
  const auto& devices = request.devices;
  const auto found = std::find_if(devices.begin(), devices.end(),
                                  [](const Device& device) { return device.takes_host_weights; });
  if (!request.operation_offload || found == devices.end()) return std::nullopt;
  return static_cast<std::size_t>(found - devices.begin());
}

Result<Placer> Placer::of(const Model& model, const Architecture& architecture, const ContextLayout& layout,
                          const OffloadRequest& request) {
  Placer placer(model, architecture, layout, request);
  auto split = cumulative_split(request);
  if (!split) return tl::unexpected(split.error());
  placer.split_ = std::move(*split);
  auto moved = overridden(model, request);
  if (!moved) return tl::unexpected(moved.error());
  placer.overridden_ = std::move(*moved);
  placer.look_at_weights();
  return placer;
}

void Placer::look_at_weights() {
  rules_ = {cpu_buffer_rule};
  rule_of_memory_ = {0};
  for (const auto& device : request_->devices) {
    const auto known = std::find(rules_.begin(), rules_.end(), device.buffer);
    rule_of_memory_.push_back(static_cast<std::size_t>(known - rules_.begin()));
    if (known == rules_.end()) rules_.push_back(device.buffer);
  }
  tied_ = model_->find_tensor("output.weight") == nullptr;
  const bool by_rows = request_->split_mode == SplitMode::row && request_->devices.size() > 1;
  // Layers for next-token prediction are not loaded. Looked up once: it would cost more than all else here.
  const int loaded_layers = model_->hyperparameters.next_token_layer_count() > 0
                                ? model_->hyperparameters.main_layer_count()
                                : std::numeric_limits<int>::max();
  for (const auto& tensor : model_->tensors) {
    const int layer = layer_of(tensor.name);
    if (layer >= loaded_layers) continue;
    const int copies = layer < 0 ? copies_in_engine(*model_, tensor) : 1;
    PlacedWeight weight{&tensor,    layer, Home::output, false, by_rows && is_cut_by_rows(tensor),
                        copies > 1, {}};
    if (layer < 0)
      weight.home = home_of(*model_, tensor.name);
    else
      weight.expert = is_expert_weight(tensor.name);
    if (const auto moved = overridden_.find(tensor.name); moved != overridden_.end())
      weight.moved = moved->second;
    if (!weights_.empty() && go_together(weights_.back(), weight)) {
      for (std::size_t rule = 0; rule < rules_.size(); ++rule)
        sizes_[sizes_.size() - rules_.size() + rule] += buffer_size(tensor, rules_[rule]);
      continue;
    }
    weights_.push_back(weight);
    for (const auto& rule : rules_) sizes_.push_back(buffer_size(tensor, rule));
  }
}

Bytes Placer::size(std::size_t weight, int device) const {
  return sizes_[weight * rules_.size() + rule_of_memory_[static_cast<std::size_t>(device + 1)]];
}

void Placer::add_weight(Placement& placement, std::size_t weight, int device) const {
  share_of(placement, device).weights += size(weight, device);
}

/// A weight of a layer or of the output: whole on `device`, or its rows over all of them.
void Placer::add_multiplied(Placement& placement, std::size_t weight, int device) const {
  if (!weights_[weight].cut || device == Placement::host) return add_weight(placement, weight, device);
  const Tensor& tensor = *weights_[weight].tensor;
  std::int64_t first = 0;
  for (std::size_t i = 0; i < split_.size(); ++i) {
    auto end = static_cast<std::int64_t>(static_cast<float>(tensor.dimensions[1]) * split_[i]);
    end = i + 1 == split_.size() ? tensor.dimensions[1] : end - end % rows_per_group;
    Tensor part = tensor;
    part.dimensions[1] = std::max<std::int64_t>(0, end - first);
    if (part.dimensions[1] > 0)
      share_of(placement, static_cast<int>(i)).weights += buffer_size(part, request_->devices[i].buffer);
    first = std::max(first, end);
  }
}

/// Frequencies exist once on each device that holds a layer turning by them; Gemma 4's windowed layers do
/// not.
void Placer::add_frequencies(Placement& placement, std::size_t weight) const {
  const bool dense_only = model_->architecture == "gemma4";
  std::set<int> devices;
  const int layers = model_->hyperparameters.main_layer_count();
  for (int layer = 0; layer < layers; ++layer)
    if (!dense_only || !is_windowed(architecture_->cache, model_->hyperparameters, layer))
      devices.insert(layer_device(placement, layer));
  for (const int device : devices) add_weight(placement, weight, device);
}

void Placer::add_outside_layers(Placement& placement, std::size_t weight) const {
  const Home home = weights_[weight].home;
  if (home == Home::layers_that_use_it) return add_frequencies(placement, weight);
  if (home == Home::first_layer) return add_multiplied(placement, weight, layer_device(placement, 0));
  if (home == Home::output) return add_multiplied(placement, weight, placement.output_device);
  add_weight(placement, weight, Placement::host);
  const bool second = placement.output_device != Placement::host || weights_[weight].second;
  if (tied_ && second && weights_[weight].tensor->name == "token_embd.weight")
    add_weight(placement, weight, placement.output_device);
}

void Placer::add_weights(Placement& placement, std::int64_t cpu_expert_layers) const {
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const auto& weight = weights_[i];
    if (weight.moved) {
      add_weight(placement, i, *weight.moved);
    } else if (weight.layer < 0) {
      add_outside_layers(placement, i);
    } else {
      const bool kept = weight.expert && weight.layer < cpu_expert_layers;
      add_multiplied(placement, i, kept ? Placement::host : layer_device(placement, weight.layer));
    }
  }
}

void Placer::add_context(Placement& placement) const {
  for (const auto& entry : *layout_) {
    const int device = request_->kv_offload ? layer_device(placement, entry.layer) : Placement::host;
    const auto& rule = rules_[rule_of_memory_[static_cast<std::size_t>(device + 1)]];
    const Bytes size = allocated_size(entry.memory, rule.alignment);
    auto& share = share_of(placement, device);
    (std::holds_alternative<RecurrentState>(entry.memory) ? share.states : share.caches) += size;
  }
}

Result<Placement> Placer::place(std::int64_t gpu_layers, std::int64_t cpu_expert_layers) const {
  if (gpu_layers < 0 || cpu_expert_layers < 0)
    return fail(ErrorCode::usage, "--gpu-layers and --n-cpu-moe must not be negative", "Give 0 or more.");
  Placement placement;
  placement.shares.push_back({"CPU", {}, {}, {}, unknown<Bytes>("the host's budget is judged apart")});
  for (const auto& device : request_->devices)
    placement.shares.push_back({device.name, {}, {}, {}, device.capacity});
  const int layers = model_->hyperparameters.layer_count();
  for (int layer = 0; layer < layers; ++layer)
    placement.layer_devices.push_back(device_of(layer, layers, gpu_layers, split_));
  placement.output_device = device_of(layers, layers, gpu_layers, split_);
  placement.overridden = overridden_;
  add_weights(placement, cpu_expert_layers);
  add_context(placement);
  return placement;
}

Result<Placement> place(const Model& model, const Architecture& architecture, const ContextLayout& layout,
                        const OffloadRequest& request) {
  const auto placer = Placer::of(model, architecture, layout, request);
  if (!placer) return tl::unexpected(placer.error());
  return placer->place(request.gpu_layers, request.cpu_expert_layers);
}

int device_of_weight(const Model& model, const Placement& placement, const OffloadRequest& request,
                     std::string_view name) {
  if (!placement.overridden.empty())
    if (const auto moved = placement.overridden.find(name); moved != placement.overridden.end())
      return moved->second;
  const int layer = layer_of(name);
  if (layer >= 0)
    return layer < request.cpu_expert_layers && is_expert_weight(name) ? Placement::host
                                                                       : layer_device(placement, layer);
  const Home home = home_of(model, name);
  if (home == Home::layers_that_use_it) return everywhere;
  if (home == Home::first_layer) return layer_device(placement, 0);
  return home == Home::output ? placement.output_device : Placement::host;
}

}  // namespace llmsize
