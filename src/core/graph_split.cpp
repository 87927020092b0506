#include "llmsize/core/graph_split.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "llmsize/core/model.hpp"

namespace llmsize {
namespace {

constexpr std::int8_t anywhere = FixedPlaces::anywhere;

bool only_shows(Operation operation) {
  return operation == Operation::none || operation == Operation::view || operation == Operation::reshape ||
         operation == Operation::permute || operation == Operation::transpose;
}

/// Tokens that an operation works on at once, as GPUs count them before they take work over from the host
/// (llama.cpp v0.5.0, ggml-cuda, get_op_batch_size).
std::int64_t batch_size(const GraphTensor& tensor) {
  const auto& d = tensor.dimensions;
  if (tensor.operation == Operation::get_rows) return 0;
  if (tensor.operation == Operation::mul_mat) return d[1];
  if (tensor.operation == Operation::mul_mat_id) return d[2];
  return saturating_multiply(d[1], saturating_multiply(d[2], d[3]));
}

bool is_cache(const GraphTensor& tensor) {
  return tensor.elsewhere && tensor.name.starts_with("cache_");
}

/// `graph` with room for the copies that splitting adds.
TensorGraph with_room(const TensorGraph& graph) {
  constexpr std::size_t copies_per_tensors = 4;
  TensorGraph copy;
  copy.tensors.reserve(graph.tensors.size() + graph.tensors.size() / copies_per_tensors);
  copy.tensors = graph.tensors;
  copy.nodes = graph.nodes;
  copy.leafs = graph.leafs;
  return copy;
}

/// The scheduler's passes, in its order.
class Scheduler {
 public:
  Scheduler(TensorGraph graph, const FixedPlaces& places)
      : graph_(std::move(graph)),
        device_(places.devices),
        count_(places.device_count),
        in_flight_(places.copies),
        runner_(places.host_weights_runner),
        rules_(places.rules) {}

  DeviceGraph run() {
    for (const TensorId node : graph_.nodes) start_at_weights(node);
    spread(true, false);
    spread(true, true);
    spread(false, false);
    spread(false, true);
    follow_origins();
    cut();
    if (in_flight_ > 1) add_copies_in_flight();
    graph_.nodes = std::move(ordered_);
    std::vector<std::int64_t> alignments;
    alignments.reserve(rules_.size());
    for (const auto& rule : rules_) alignments.push_back(rule.alignment);
    return {std::move(graph_), std::move(device_), count_, std::move(alignments)};
  }

 private:
  [[nodiscard]] const GraphTensor& at(TensorId id) const {
    return graph_.tensors[static_cast<std::size_t>(id)];
  }
  std::int8_t& device(TensorId id) { return device_[static_cast<std::size_t>(id)]; }
  [[nodiscard]] std::int8_t host() const { return static_cast<std::int8_t>(count_ - 1); }

  /// Pass 1: operations run where their first weight is, or where the cache is that they write to.
  void start_at_weights(TensorId node) {
    if (device(node) != anywhere) return;
    const auto& tensor = at(node);
    if (tensor.view_origin != no_tensor && at(tensor.view_origin).elsewhere) {
      device(node) = device(tensor.view_origin);
      return;
    }
    // Frequencies and sinks are too small to decide.
    if (tensor.operation == Operation::rope || tensor.operation == Operation::flash_attn_ext) return;
    for (const TensorId source : tensor.sources) {
      if (source == no_tensor) return;
      if (!at(source).elsewhere || at(source).view_origin != no_tensor || is_cache(at(source))) continue;
      if (device(source) == anywhere) continue;
      const bool taken_over =
          runner_ != anywhere && device(source) == host() && batch_size(tensor) >= least_batch_taken_over;
      device(node) = taken_over ? runner_ : device(source);
      return;
    }
  }

  /// Pass 2: undecided operations join the one before (or behind) them; devices first, then the host, too.
  void spread(bool only_devices, bool backwards) {
    std::int8_t current = anywhere;
    const auto visit = [&](TensorId node) {
      if (only_shows(at(node).operation)) return;
      if (device(node) == anywhere)
        device(node) = current;
      else
        current = only_devices && device(node) == host() ? anywhere : device(node);
    };
    if (backwards)
      std::for_each(graph_.nodes.rbegin(), graph_.nodes.rend(), visit);
    else
      std::for_each(graph_.nodes.begin(), graph_.nodes.end(), visit);
  }

  /// Pass 4: what is still undecided follows what it shows, or what uses it.
  void follow_origins() {
    for (const TensorId node : graph_.nodes) {
      const TensorId origin = at(node).view_origin;
      if (origin != no_tensor && device(node) == anywhere) device(node) = device(origin);
      for (const TensorId source : at(node).sources) {
        if (source == no_tensor) break;
        if (device(source) != anywhere) continue;
        const TensorId shown = at(source).view_origin;
        device(source) = shown != no_tensor ? device(shown) : device(node);
      }
      if (device(node) == anywhere) device(node) = 0;
    }
    // A place that nothing decided holds nothing of weight.
    for (auto& place : device_)
      if (place == anywhere) place = host();
  }

  /// Pass 5: stretches of nodes on one device. What a stretch needs from elsewhere is copied at its start.
  void cut() {
    copies_.assign(graph_.tensors.size(), {});
    std::vector<TensorId> stretch;
    std::vector<TensorId> inputs;
    std::int8_t current = anywhere;
    const std::vector<TensorId> nodes = graph_.nodes;
    for (const TensorId node : nodes) {
      if (!only_shows(at(node).operation)) {
        if (current == anywhere) current = device(node);
        if (device(node) != current || (!inputs.empty() && has_weight_elsewhere(node, current))) {
          finish_stretch(stretch, inputs, current);
          current = device(node);
        }
        take_sources(node, current, inputs);
      }
      stretch.push_back(node);
    }
    finish_stretch(stretch, inputs, current);
  }

  bool has_weight_elsewhere(TensorId node, std::int8_t current) {
    for (const TensorId source : at(node).sources) {
      if (source == no_tensor) break;
      const auto& tensor = at(source);
      if (tensor.elsewhere && tensor.view_origin == no_tensor && !is_cache(tensor) &&
          device(source) != current && !is_everywhere(tensor))
        return true;
    }
    return false;
  }

  static bool is_everywhere(const GraphTensor& tensor) { return tensor.name.starts_with("rope_"); }

  void take_sources(TensorId node, std::int8_t current, std::vector<TensorId>& inputs) {
    for (std::size_t i = 0; i < max_sources; ++i) {
      const TensorId source = at(node).sources[i];
      if (source == no_tensor) break;
      if (at(source).input && in_flight_ > 1 &&
          std::find(inputs_met_.begin(), inputs_met_.end(), source) == inputs_met_.end())
        inputs_met_.push_back(source);
      if (device(source) == current || is_everywhere(at(source))) continue;
      TensorId copy = copy_of(source, current);
      if (copy == no_tensor) {
        copy = add_copy(source, current);
        inputs.push_back(source);
      }
      graph_.tensors[static_cast<std::size_t>(node)].sources[i] = copy;
    }
  }

  TensorId copy_of(TensorId source, std::int8_t on) const {
    for (const auto& [where, copy] : copies_[static_cast<std::size_t>(source)])
      if (where == on) return copy;
    return no_tensor;
  }

  TensorId append(GraphTensor tensor, std::int8_t on) {
    graph_.tensors.push_back(tensor);
    device_.push_back(on);
    copies_.emplace_back();
    return static_cast<TensorId>(graph_.tensors.size() - 1);
  }

  TensorId add_copy(TensorId source, std::int8_t on) {
    GraphTensor copy;
    copy.type = at(source).type;
    copy.dimensions = at(source).dimensions;
    copy.strides = at(source).strides;
    copy.size = at(source).size;
    const bool weight = at(source).elsewhere && !is_cache(at(source));
    if (weight && !rules_.empty())
      copy.size = buffer_size({{}, copy.dimensions, copy.type}, rules_[static_cast<std::size_t>(on)]).value();
    const TensorId id = append(copy, on);
    copies_[static_cast<std::size_t>(source)].emplace_back(on, id);
    return id;
  }

  void finish_stretch(std::vector<TensorId>& stretch, std::vector<TensorId>& inputs, std::int8_t current) {
    for (const TensorId input : inputs) {
      GraphTensor keeper;  // Holds the original until it has been copied.
      keeper.view_origin = at(input).view_origin != no_tensor ? at(input).view_origin : input;
      keeper.sources[0] = input;
      ordered_.push_back(append(keeper, device(input)));
      ordered_.push_back(copy_of(input, current));
      crossings_.push_back(copy_of(input, current));
    }
    ordered_.insert(ordered_.end(), stretch.begin(), stretch.end());
    stretch.clear();
    inputs.clear();
  }

  /// Every micro-batch in flight has its own inputs and crossing tensors, placed first and never released.
  void add_copies_in_flight() {
    std::vector<TensorId> leafs;
    for (const auto* list : {&inputs_met_, &crossings_})
      for (const TensorId id : *list) {
        auto& original = graph_.tensors[static_cast<std::size_t>(id)];
        original.input = original.output = true;
        leafs.push_back(id);
        for (int copy = 1; copy < in_flight_; ++copy) leafs.push_back(append(at(id), device(id)));
      }
    leafs.insert(leafs.end(), graph_.leafs.begin(), graph_.leafs.end());
    graph_.leafs = std::move(leafs);
  }

  TensorGraph graph_;
  std::vector<std::int8_t> device_;
  int count_;
  int in_flight_;
  std::int8_t runner_;
  std::vector<BufferRule> rules_;
  std::vector<TensorId> inputs_met_;  // In the order that operations use them.
  std::vector<TensorId> crossings_;   // Copies on other devices, in order.
  std::vector<TensorId> ordered_;
  std::vector<std::vector<std::pair<std::int8_t, TensorId>>> copies_;
};

/// Weights and caches are where the placement put them, inputs on the host.
FixedPlaces fixed_places(const TensorGraph& graph, const Model& model, const OffloadRequest& request,
                         const Placement& placement) {
  FixedPlaces places;
  places.device_count = static_cast<int>(request.devices.size()) + 1;
  const int host = places.device_count - 1;
  const auto number = [&](int device) {
    return static_cast<std::int8_t>(device == Placement::host ? host : device);
  };
  // The engine's rule for pipelines (llama_context), and its number of copies (GGML_SCHED_MAX_COPIES).
  constexpr int pipeline_copies = 4;
  const bool all_with_output = request.gpu_layers > model.hyperparameters.layer_count();
  const bool all_follow_layers = request.cpu_expert_layers == 0 && request.overrides.empty();
  if (request.devices.size() > 1 && all_with_output && request.kv_offload && all_follow_layers &&
      request.split_mode == SplitMode::layer)
    places.copies = pipeline_copies;
  if (const auto runner = host_weights_runner(request))
    places.host_weights_runner = static_cast<std::int8_t>(*runner);
  for (const auto& device : request.devices) places.rules.push_back(device.buffer);
  places.rules.push_back(cpu_buffer_rule);
  for (const auto& tensor : graph.tensors) {
    std::int8_t place = FixedPlaces::anywhere;
    if (is_cache(tensor))
      place = number(request.kv_offload ? layer_device(placement, tensor.layer) : Placement::host);
    else if (tensor.elsewhere && tensor.view_origin == no_tensor) {
      const int device = device_of_weight(model, placement, request, tensor.name);
      place = device == everywhere ? FixedPlaces::anywhere : number(device);
    } else if (tensor.input) {
      place = number(Placement::host);
    }
    places.devices.push_back(place);
  }
  return places;
}

}  // namespace

DeviceGraph split_graph(TensorGraph graph, const FixedPlaces& places) {
  return Scheduler(std::move(graph), places).run();
}

Result<std::vector<Bytes>> split_scratch(const TensorGraph& graph, const Model& model,
                                         const OffloadRequest& request, const Placement& placement) {
  const FixedPlaces places = fixed_places(graph, model, request, placement);
  const auto reservations = reserve(split_graph(with_room(graph), places));
  std::vector<Bytes> sizes{reservations.back().size};
  for (std::size_t i = 0; i + 1 < reservations.size(); ++i) sizes.push_back(reservations[i].size);
  for (const Bytes size : sizes)
    if (size.is_saturated())
      return fail(ErrorCode::overflow, "the compute buffer does not fit 64 bits",
                  "Lower the context or the micro-batch.");
  return sizes;
}

Result<std::vector<Bytes>> device_scratch(const Model& model, const Architecture& architecture,
                                          const Run& run, const ContextLayout& layout,
                                          const OffloadRequest& request, const Placement& placement) {
  const auto graph = prompt_graph(model, architecture, run, layout);
  if (!graph) return tl::unexpected(graph.error());
  return split_scratch(*graph, model, request, placement);
}

}  // namespace llmsize
