#include "llmsize/app/plan_sizing.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/architectures.hpp"
#include "llmsize/catalog/file_types.hpp"
#include "llmsize/catalog/models.hpp"
#include "llmsize/catalog/projectors.hpp"
#include "llmsize/catalog/throughput.hpp"
#include "llmsize/catalog/vocabularies.hpp"
#include "llmsize/core/projector.hpp"
#include "llmsize/core/run.hpp"
#include "llmsize/core/weights.hpp"

namespace llmsize::app {

Result<PlanSizer::Loaded*> PlanSizer::loaded(const std::string& name) {
  if (const auto found = models_.find(name); found != models_.end()) return &found->second;
  const auto entry = services_.catalog.find_by_name("model", name);
  if (!entry)
    return fail(ErrorCode::not_found, fmt::format("the catalog has no model \"{}\"", name),
                services_.catalog.similar_hint("model", name));
  auto model = catalog::load_model(services_.catalog, *entry);
  if (!model) return tl::unexpected(model.error());
  auto architecture = catalog::load_architecture(services_.catalog, model->architecture);
  if (!architecture) return tl::unexpected(architecture.error());
  return &models_.emplace(name, Loaded{std::move(*model), std::move(*architecture), {}, {}, {}})
              .first->second;
}

Result<const Model*> PlanSizer::quantized(Loaded& loaded, const std::string& quant) {
  if (const auto found = loaded.quantized.find(quant); found != loaded.quantized.end()) return &found->second;
  if (file_types_.find(quant) == file_types_.end()) {
    auto file_type = catalog::load_file_type(services_.catalog, services_.types, quant);
    if (!file_type) return tl::unexpected(file_type.error());
    file_types_[quant] = std::move(*file_type);
  }
  const auto types = quantized_types(loaded.model, file_types_[quant], services_.types, {});
  if (!types) return tl::unexpected(types.error());
  return &loaded.quantized.emplace(quant, with_types(loaded.model, *types)).first->second;
}

namespace {

/// An instance for so many roles runs with so many times the context and slots.
Result<Run> run_for(const Architecture& architecture, const Model& model, const RoleRun& role_run,
                    std::size_t roles) {
  const auto count = static_cast<std::int64_t>(roles);
  RunRequest request;
  request.context_tokens = saturating_multiply(role_run.context_tokens, count);
  request.parallel = saturating_multiply(role_run.parallel, count);
  request.kv_unified = true;
  return resolve_run(request, model, architecture);
}

/// What the fullest device needs with a projector on the first.
Bytes largest_device(const Footprint& f, Bytes projector) {
  Bytes most;
  for (std::size_t i = 0; i < f.devices.size(); ++i)
    most = std::max(most, f.devices[i].high() + (i == 0 ? projector : Bytes(0)));
  return most;
}

/// What tells variants of one model apart beside quant, context and slots.
std::string run_suffix(const RoleRun& run) {
  constexpr const char* suffixes[] = {" mmap", " none", " mlock"};
  return std::string(run.load_mode ? suffixes[static_cast<int>(*run.load_mode)] : "") +
         (run.vision ? " vision" : "");
}

}  // namespace

Result<Bytes> PlanSizer::projector_memory(Loaded& loaded, const RoleRun& run, const BufferRule& rule) {
  if (!run.vision) return Bytes(0);
  if (!loaded.projector) {
    auto projector = catalog::load_projector(services_.catalog, loaded.model.id);
    if (!projector) return tl::unexpected(projector.error());
    loaded.projector = std::move(*projector);
  }
  // The plan leaves flash attention at auto, which every backend here has.
  return projector_size(*loaded.projector, rule, true).high;
}

bool PlanSizer::has_projector(const std::string& model) {
  const auto entry = services_.catalog.find_by_name("model", model);
  return entry && services_.catalog.find("projector", entry->id);
}

Residency PlanSizer::residency_of(const RoleRun& run) const {
  Residency residency = residency_;
  residency.load_mode = run.load_mode.value_or(residency.load_mode);
  return residency;
}

/// The footprint, by the load mode that takes less where it is left open; `mode` receives it.
Result<Footprint> PlanSizer::sized(Loaded& loaded, const Model& model, const Run& run,
                                   const RoleRun& role_run, LoadMode& mode) {
  const Residency residency = residency_of(role_run);
  auto& scratch = loaded.scratch[{run.context_tokens, run.sequences}];
  auto bytes = footprint(model, loaded.architecture, run, residency, scratch ? &*scratch : nullptr);
  mode = residency.load_mode;
  if (!bytes) return bytes;
  if (!scratch && bytes->compute.known) scratch = bytes->scratch;
  // Mapped weights stay beside their repacked copies, read ones do not.
  if (role_run.load_mode || !choose_load_mode_ || bytes->repacked.size == Bytes(0)) return bytes;
  Residency read = residency;
  read.load_mode = LoadMode::none;
  auto without = footprint(model, loaded.architecture, run, read, scratch ? &*scratch : nullptr);
  if (!without || without->high >= bytes->high) return bytes;
  mode = LoadMode::none;
  return without;
}

Result<PlanVariant> PlanSizer::variant(const std::string& name, const std::string& quant,
                                       const RoleRun& role_run, std::size_t most_roles) {
  const auto base = loaded(name);
  if (!base) return tl::unexpected(base.error());
  const auto model = quantized(**base, quant);
  if (!model) return tl::unexpected(model.error());
  const auto projector = projector_memory(**base, role_run, cpu_buffer_rule);
  if (!projector) return tl::unexpected(projector.error());
  PlanVariant variant;
  variant.model = (*base)->model.id;
  variant.quant = quant;
  variant.context_tokens = role_run.context_tokens;
  variant.trained_context = (*model)->hyperparameters.context_length();
  variant.projector = *projector;
  variant.parallel = role_run.parallel;
  variant.id = fmt::format("{} {} {}x{}{}", variant.model, quant, role_run.context_tokens, role_run.parallel,
                           run_suffix(role_run));
  for (std::size_t roles = 1; roles <= most_roles; ++roles) {
    const auto run = run_for((*base)->architecture, **model, role_run, roles);
    // Serving more roles at once may exceed what the engine takes; fewer still work.
    if (!run && roles > 1) break;
    if (!run) return tl::unexpected(run.error());
    LoadMode mode = variant.load_mode;
    const auto bytes = sized(**base, **model, *run, role_run, mode);
    if (!bytes) return tl::unexpected(bytes.error());
    if (roles == 1) {
      variant.load_mode = mode;
      if (mode != LoadMode::none) {
        variant.shared_file = variant.model + " " + quant;
        variant.shared_bytes = bytes->file_backed;
      }
      variant.architecture = (*base)->architecture.id;
      variant.batch_tokens = run->batch_tokens;
      variant.ubatch_tokens = run->ubatch_tokens;
      variant.flash_attention = run->flash_attention;
      variant.weights = bytes->weights.size;
      variant.kv_per_role = bytes->kv_cache.size + bytes->state.size;
    }
    variant.memory_by_roles.push_back(bytes->high + *projector);
  }
  return variant;
}

Result<std::optional<PlanVariant>> PlanSizer::variant_on(const DeviceGroup& group, const std::string& name,
                                                         const std::string& quant, const RoleRun& role_run,
                                                         std::size_t most_roles, const Host& host,
                                                         const SpeedRequest& speed) {
  const auto base = loaded(name);
  if (!base) return tl::unexpected(base.error());
  const auto model = quantized(**base, quant);
  if (!model) return tl::unexpected(model.error());
  const auto count = static_cast<std::int64_t>(group.devices.size());
  // Weights alone decide most cases, without a graph.
  if (!group.whole_pool && weight_sizes(**model).tensors > group.budget * count) return std::nullopt;
  const auto projector = projector_memory(**base, role_run, group.devices.front().buffer);
  if (!projector) return tl::unexpected(projector.error());
  PlanVariant variant;
  variant.model = (*base)->model.id;
  variant.quant = quant;
  variant.pool = group.pool;
  variant.devices = count;
  variant.context_tokens = role_run.context_tokens;
  variant.trained_context = (*model)->hyperparameters.context_length();
  variant.projector = *projector;
  variant.parallel = role_run.parallel;
  variant.architecture = (*base)->architecture.id;
  variant.id = fmt::format("{} {} {}x{} gpu{}x{}{}", variant.model, quant, role_run.context_tokens,
                           role_run.parallel, group.pool, count, run_suffix(role_run));
  for (std::size_t roles = 1; roles <= most_roles; ++roles) {
    const auto run = run_for((*base)->architecture, **model, role_run, roles);
    if (!run) break;
    OffloadRequest offload;
    offload.devices = group.devices;
    // The projector lies on the first device alone, but only alike devices are split over evenly.
    for (auto& device : offload.devices) device.capacity.value = group.budget - *projector;
    offload.fit_margin = Bytes(0);
    offload.gpu_layers = fitting_gpu_layers;
    // Equal capacities split evenly, as --tensor-split 1,1 does; the search leaves a split by hand alone.
    const auto bytes = footprint(**model, (*base)->architecture, *run, residency_of(role_run), offload);
    if (!bytes) return tl::unexpected(bytes.error());
    const auto& placed = bytes->offload;
    const bool whole =
        placed.gpu_layers > (*model)->hyperparameters.layer_count() && placed.cpu_expert_layers == 0;
    if (placed.gpu_layers <= 0 || (!whole && !group.whole_pool)) break;
    const Bytes most = largest_device(*bytes, *projector);
    if (most > group.budget) break;
    variant.memory_by_roles.push_back(most);
    variant.host_by_roles.push_back(bytes->host_high());
    variant.offload_by_roles.push_back({placed.gpu_layers, placed.cpu_expert_layers});
    if (roles > 1) continue;
    variant.batch_tokens = run->batch_tokens;
    variant.ubatch_tokens = run->ubatch_tokens;
    variant.flash_attention = run->flash_attention;
    variant.load_mode = residency_of(role_run).load_mode;
    variant.weights = bytes->weights.size;
    variant.kv_per_role = bytes->kv_cache.size + bytes->state.size;
    SpeedRequest asked = with_constants(speed);
    asked.specs = group.specs;
    asked.depth = role_run.context_tokens / std::max<std::int64_t>(1, role_run.parallel);
    const auto layout = context_layout(**model, (*base)->architecture, *run);
    if (!layout) continue;
    const auto answer = estimate_speed(services_, **model, *layout, *run, host, asked, std::nullopt, &*bytes);
    if (answer && answer->decode) variant.decode_tokens_per_second = answer->decode->mid.per_second();
  }
  if (variant.memory_by_roles.empty()) return std::nullopt;
  return variant;
}

Result<PlanVariant> PlanSizer::placed(const DeviceGroup& group, const std::string& name,
                                      const std::string& quant, const RoleRun& role_run,
                                      const PlanOffload& wanted) {
  const auto base = loaded(name);
  if (!base) return tl::unexpected(base.error());
  const auto model = quantized(**base, quant);
  if (!model) return tl::unexpected(model.error());
  const auto run = run_for((*base)->architecture, **model, role_run, 1);
  if (!run) return tl::unexpected(run.error());
  OffloadRequest offload;
  offload.devices = group.devices;
  offload.tensor_split.assign(group.devices.size(), 1.0);
  offload.gpu_layers = wanted.gpu_layers;
  offload.cpu_expert_layers = wanted.cpu_expert_layers;
  const auto bytes = footprint(**model, (*base)->architecture, *run, residency_, offload);
  if (!bytes) return tl::unexpected(bytes.error());
  const auto projector = projector_memory(**base, role_run, group.devices.front().buffer);
  if (!projector) return tl::unexpected(projector.error());
  const Bytes most = largest_device(*bytes, *projector);
  PlanVariant variant;
  variant.model = (*base)->model.id;
  variant.quant = quant;
  variant.memory_by_roles = {most};
  variant.host_by_roles = {bytes->host_high()};
  return variant;
}

SpeedRequest PlanSizer::with_constants(SpeedRequest request) {
  if (!constants_)
    // Where they cannot be read, the estimate says so.
    if (auto table = catalog::load_throughput(services_.catalog))
      constants_ = std::make_shared<const catalog::ThroughputTable>(std::move(*table));
  if (!request.constants) request.constants = constants_;
  return request;
}

Result<ModelFile> PlanSizer::file(const PlanVariant& variant) {
  const auto base = loaded(variant.model);
  if (!base) return tl::unexpected(base.error());
  const auto model = quantized(**base, variant.quant);
  if (!model) return tl::unexpected(model.error());
  const auto size = catalog::file_size(services_.catalog, **model);
  if (!size) return tl::unexpected(size.error());
  const auto document = services_.catalog.get("model", (*base)->model.id);
  if (!document) return tl::unexpected(document.error());
  const auto text = [&](const char* key) {
    const auto found = document->find(key);
    return found != document->end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  std::string name = text("hf_repo");
  name = name.substr(name.rfind('/') + 1);
  ModelFile file;
  file.name = fmt::format("{}-{}.gguf", name.empty() ? variant.model : name, variant.quant);
  file.size = size->size;
  file.repository = text("gguf_repo");
  return file;
}

std::optional<double> PlanSizer::decode_speed(const PlanVariant& variant, const Host& host,
                                              const SpeedRequest& request) {
  const auto base = loaded(variant.model);
  if (!base) return std::nullopt;
  const auto model = quantized(**base, variant.quant);
  if (!model) return std::nullopt;
  RunRequest run_request;
  run_request.context_tokens = variant.context_tokens;
  run_request.parallel = variant.parallel;
  run_request.kv_unified = true;
  const auto run = resolve_run(run_request, **model, (*base)->architecture);
  if (!run) return std::nullopt;
  const auto layout = context_layout(**model, (*base)->architecture, *run);
  if (!layout) return std::nullopt;
  SpeedRequest asked = with_constants(request);
  // Slots share the context, so one request has its part of it before it.
  asked.depth = variant.context_tokens / std::max<std::int64_t>(1, variant.parallel);
  const auto speed = estimate_speed(services_, **model, *layout, *run, host, asked);
  if (!speed || !speed->decode) return std::nullopt;
  return speed->decode->mid.per_second();
}

Result<std::int64_t> PlanSizer::default_context(const std::string& model) {
  const auto base = loaded(model);
  if (!base) return tl::unexpected(base.error());
  return default_context_for((*base)->model.hyperparameters);
}

Fact<std::string> PlanSizer::licence(const std::string& model) {
  const auto entry = services_.catalog.find_by_name("model", model);
  if (!entry) return unknown<std::string>("no such model in the catalog");
  const auto document = services_.catalog.parse(*entry);
  if (!document) return unknown<std::string>(document.error().message);
  const auto found = document->find("license");
  if (found == document->end() || !found->is_string())
    return unknown<std::string>("its catalog entry states none");
  return reported(found->get<std::string>(), "data/models");
}

}  // namespace llmsize::app
