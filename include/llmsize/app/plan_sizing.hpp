#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "llmsize/app/services.hpp"
#include "llmsize/app/speed.hpp"
#include "llmsize/core/architecture.hpp"
#include "llmsize/core/footprint.hpp"
#include "llmsize/core/model.hpp"
#include "llmsize/core/plan.hpp"
#include "llmsize/core/quantize.hpp"
#include "llmsize/core/serving.hpp"

namespace llmsize::app {

/// How one role uses a model: what decides a variant's bytes beside the model and its quant.
struct RoleRun {
  std::int64_t context_tokens = 0;
  std::int64_t parallel = 1;
  std::optional<LoadMode> load_mode = std::nullopt;  ///< Of this role; otherwise the plan's.
  bool vision = false;                               ///< With the model's projector.
};

/// GPUs of one pool that a model may be split over.
struct DeviceGroup {
  std::size_t pool = 0;
  std::vector<Device> devices;
  std::vector<std::optional<GpuSpec>> specs;
  Bytes budget;             ///< Of each device.
  bool whole_pool = false;  ///< There is no larger group.
};

/// Sizes catalog models at many quants for a plan, by the estimate engine's own steps, loading each model
/// and file type once.
class PlanSizer {
 public:
  /// `choose_load_mode`: none instead of the residency's mode where that takes less.
  PlanSizer(const Services& services, Residency residency, bool choose_load_mode)
      : services_(services), residency_(std::move(residency)), choose_load_mode_(choose_load_mode) {}

  /// A variant for pool 0 serving up to `most_roles` roles at once: an instance for k roles runs with k times
  /// the context and slots. Errors: what sizing fails with.
  Result<PlanVariant> variant(const std::string& model, const std::string& quant, const RoleRun& run,
                              std::size_t most_roles);

  /// The same on GPUs: all layers where they fit, and on the largest group else as much as fits, the rest in
  /// the host's memory. Nothing where no layer fits.
  Result<std::optional<PlanVariant>> variant_on(const DeviceGroup& group, const std::string& model,
                                                const std::string& quant, const RoleRun& run,
                                                std::size_t most_roles, const Host& host,
                                                const SpeedRequest& speed);

  /// An instance for one role on `group` with exactly these layers there, as a saved plan has it.
  Result<PlanVariant> placed(const DeviceGroup& group, const std::string& model, const std::string& quant,
                             const RoleRun& run, const PlanOffload& offload);

  /// The file that an instance of the variant loads: the name that the GGUF naming convention gives it, its
  /// size, and where the catalog says it is published.
  Result<ModelFile> file(const PlanVariant& variant);

  /// Decode speed of one request with the whole context before it; unknown where the bandwidth is.
  std::optional<double> decode_speed(const PlanVariant& variant, const Host& host,
                                     const SpeedRequest& request);

  /// Context where nobody states one: llmsize's own, but no more than the model was trained for.
  Result<std::int64_t> default_context(const std::string& model);

  /// Whether the catalog has the projector with which the model sees.
  bool has_projector(const std::string& model);

  /// The license of a model as its catalog entry states it; unknown where it states none.
  Fact<std::string> licence(const std::string& model);

 private:
  struct Loaded {
    Model model;
    Architecture architecture;
    std::map<std::string, Model> quantized;
    std::optional<Model> projector;  ///< Once a role asked for it.
    /// By context and slots: the same for every quant.
    std::map<std::pair<std::int64_t, std::int64_t>, std::optional<Scratch>> scratch;
  };
  Result<Loaded*> loaded(const std::string& model);
  /// What a server of the model takes more for images; nothing without the role's need for them.
  Result<Bytes> projector_memory(Loaded& loaded, const RoleRun& run, const BufferRule& rule);
  [[nodiscard]] Residency residency_of(const RoleRun& run) const;
  Result<Footprint> sized(Loaded& loaded, const Model& model, const Run& run, const RoleRun& role_run,
                          LoadMode& mode);
  Result<const Model*> quantized(Loaded& loaded, const std::string& quant);
  /// With the catalog's constants, which are read once.
  SpeedRequest with_constants(SpeedRequest request);

  const Services& services_;
  Residency residency_;
  bool choose_load_mode_;
  std::map<std::string, Loaded> models_;
  std::map<std::string, FileType> file_types_;
  std::shared_ptr<const catalog::ThroughputTable> constants_;
};

}  // namespace llmsize::app
