#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "llmsize/core/placement.hpp"

namespace llmsize {

/// Where a tensor outside the layers belongs.
enum class Home { input, output, first_layer, layers_that_use_it };

/// What decides where a weight goes, or where neighbours of one layer go that are always together.
struct PlacedWeight {
  const Tensor* tensor = nullptr;  ///< The first one.
  int layer = -1;
  Home home = Home::output;  ///< Of weights outside the layers.
  bool expert = false;       ///< -ncmoe keeps it on the host.
  bool cut = false;          ///< Its rows are spread over all devices where its layer moves.
  bool second = false;       ///< Held twice on one device.
  std::optional<int> moved;  ///< By an override.
};

/// A model's weights looked at once, to be placed many times: on the same devices and with the same split,
/// but with other numbers of layers moved. What it was made from must outlive it.
class Placer {
 public:
  /// Errors: those of `place` that do not depend on the numbers of layers.
  static Result<Placer> of(const Model& model, const Architecture& architecture, const ContextLayout& layout,
                           const OffloadRequest& request);

  /// Where everything is with so many layers moved, and so many layers' experts kept on the host.
  /// Errors: usage for negative numbers.
  [[nodiscard]] Result<Placement> place(std::int64_t gpu_layers, std::int64_t cpu_expert_layers) const;

 private:
  Placer(const Model& model, const Architecture& architecture, const ContextLayout& layout,
         const OffloadRequest& request)
      : model_(&model), architecture_(&architecture), layout_(&layout), request_(&request) {}
  void look_at_weights();
  [[nodiscard]] Bytes size(std::size_t weight, int device) const;
  void add_weight(Placement& placement, std::size_t weight, int device) const;
  void add_multiplied(Placement& placement, std::size_t weight, int device) const;
  void add_frequencies(Placement& placement, std::size_t weight) const;
  void add_outside_layers(Placement& placement, std::size_t weight) const;
  void add_weights(Placement& placement, std::int64_t cpu_expert_layers) const;
  void add_context(Placement& placement) const;

  const Model* model_;
  const Architecture* architecture_;
  const ContextLayout* layout_;
  const OffloadRequest* request_;
  std::vector<float> split_;  ///< Cumulative shares of the devices.
  std::map<std::string, int, std::less<>> overridden_;
  std::vector<PlacedWeight> weights_;        ///< Those that the engine loads.
  std::vector<BufferRule> rules_;            ///< The host's, then every other one that a device has.
  std::vector<std::size_t> rule_of_memory_;  ///< Of the host, then of each device.
  std::vector<Bytes> sizes_;                 ///< Of each weight by each of `rules_`.
  bool tied_ = false;                        ///< The output is the embedding.
};

}  // namespace llmsize
