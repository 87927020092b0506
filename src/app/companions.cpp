#include "llmsize/app/companions.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "llmsize/app/hub_model.hpp"
#include "llmsize/app/sizing.hpp"
#include "llmsize/catalog/projectors.hpp"
#include "llmsize/core/projector.hpp"
#include "llmsize/core/scratch_closed_form.hpp"
#include "llmsize/core/text.hpp"
#include "llmsize/gguf/reader.hpp"

namespace llmsize::app {
namespace {

/// llama-server's default of --spec-draft-n-max (llama.cpp v0.5.0).
constexpr std::int64_t default_drafted = 3;

SizedPart exact_part(Bytes size, std::string source) {
  return {size, size, size, Basis::derived, std::move(source), true};
}

BufferRule rule_of(const Footprint& f, int device) {
  return device == Placement::host ? cpu_buffer_rule
                                   : f.offload.devices[static_cast<std::size_t>(device)].buffer;
}

/// The device that a weight of the model is on; the host without devices.
int place_of(const Model& model, const Footprint& f, std::string_view name) {
  if (f.devices.empty()) return Placement::host;
  const int device = device_of_weight(model, f.placement, f.offload, name);
  return device == everywhere ? Placement::host : device;
}

/// The weight that an adapter's tensor "NAME.lora_a" or "NAME.lora_b" changes; empty for another name.
std::string_view changed_weight(std::string_view name) {
  for (const std::string_view end : {".lora_a", ".lora_b"})
    if (name.size() > end.size() && name.substr(name.size() - end.size()) == end)
      return name.substr(0, name.size() - end.size());
  return {};
}

/// The engine's own check: the pair's outer sides are the weight's, for the embedding the other way round.
bool matches(const Tensor& base, const Tensor& part) {
  const bool first = part.name.ends_with(".lora_a");
  const bool swapped = base.name == "token_embd.weight";
  if (first) return part.dimensions[swapped ? 1 : 0] == base.dimensions[swapped ? 1 : 0];
  return part.dimensions[swapped ? 0 : 1] == base.dimensions[swapped ? 0 : 1];
}

/// A and B lie in the buffer of the weight that they change.
Result<void> add_adapter(const Services& services, const std::string& path, Sizing& sizing) {
  const auto adapter = read_gguf(services.files, path, services.types);
  if (!adapter) return tl::unexpected(adapter.error());
  const TensorIndex weights(sizing.model.tensors);
  bool any = false;
  std::vector<Bytes> by_place(sizing.footprint.devices.size() + 1);
  for (const auto& tensor : adapter->tensors) {
    const auto name = changed_weight(tensor.name);
    const Tensor* base = name.empty() ? nullptr : weights.find(name);
    if (name.empty()) continue;
    if (base == nullptr || !matches(*base, tensor))
      return fail(
          ErrorCode::malformed,
          fmt::format("{}: \"{}\" fits no weight of {}", path, printable(tensor.name), sizing.model.id),
          "It is an adapter of another model.");
    any = true;
    const int device = place_of(sizing.model, sizing.footprint, name);
    by_place[static_cast<std::size_t>(device + 1)] += buffer_size(tensor, rule_of(sizing.footprint, device));
  }
  if (!any)
    return fail(ErrorCode::malformed, fmt::format("{}: it holds no pairs of lora_a and lora_b", path),
                "--lora takes a GGUF adapter, as convert_lora_to_gguf.py writes it.");
  for (std::size_t place = 0; place < by_place.size(); ++place)
    add_companion(sizing.footprint,
                  {&Footprint::adapters,
                   exact_part(by_place[place], "A and B of every pair, in the buffer of their weight"),
                   static_cast<int>(place) - 1});
  sizing.notes.emplace_back("scratch_bytes leave out the operations that adapters add to the graph");
  return {};
}

Result<Model> read_projector(const Services& services, const CompanionRequest& request, const Model& model) {
  const bool on_hub = request.projector.empty() && model.origin.starts_with("hf:");
  if (request.projector.empty() && !on_hub) return catalog::load_projector(services.catalog, model.id);
  auto file = on_hub ? load_hub_projector(services, model.origin)
                     : read_gguf(services.files, request.projector, services.types);
  if (file && file->architecture != "clip")
    return fail(ErrorCode::malformed,
                fmt::format("{}: a projector's architecture is \"clip\", this is \"{}\"",
                            on_hub ? model.origin : request.projector, file->architecture),
                "--mmproj takes the model's mmproj-*.gguf.");
  return file;
}

Result<void> add_projector(const Services& services, const CompanionRequest& request, Sizing& sizing) {
  const auto projector = read_projector(services, request, sizing.model);
  if (!projector) return tl::unexpected(projector.error());
  const bool on_device = request.projector_offload && !sizing.footprint.devices.empty();
  const int device = on_device ? 0 : Placement::host;
  auto part = projector_size(*projector, rule_of(sizing.footprint, device), sizing.run.flash_attention);
  add_companion(sizing.footprint, {&Footprint::projector, std::move(part), device});
  return {};
}

/// A whole model of its own, with the target's context, slots and devices.
Result<void> add_draft(const Services& services, const SizingRequest& target, Sizing& sizing) {
  SizingRequest request;
  request.model = target.companions.draft_model;
  request.quant = target.companions.draft_quant;
  request.run = target.run;
  request.run.context_tokens = sizing.run.context_tokens;
  request.run.draft_tokens = 0;
  request.run.cache_type_k = target.companions.draft_cache_type_k.value_or(tensor_type::f16);
  request.run.cache_type_v = target.companions.draft_cache_type_v.value_or(tensor_type::f16);
  request.residency = target.residency;
  request.residency.prompt_cache_cap = Bytes(0);
  request.offload.devices = target.offload.devices;
  request.offload.gpu_layers = target.companions.draft_gpu_layers.value_or(all_gpu_layers);
  const auto draft = size_model(services, request);
  if (!draft) return tl::unexpected(draft.error());
  const Footprint& f = draft->footprint;
  const auto source =
      fmt::format("{} at {}: weights, cache, scratch and vocabulary", draft->model.id, draft->quant);
  const Bytes spread = f.host_high() - f.file_backed - f.anonymous;
  // The drivers' contexts are the target's already, also where they lie in the host's memory.
  Bytes contexts, highest_contexts;
  for (const auto& device : f.devices)
    if (device.unified) {
      contexts += device.runtime.size;
      highest_contexts += device.runtime.high;
    }
  SizedPart anonymous = exact_part(f.anonymous - contexts, source);
  anonymous.high = f.anonymous + std::max(Bytes(0), spread) - highest_contexts;
  add_companion(sizing.footprint, {&Footprint::draft, anonymous, Placement::host});
  add_companion(sizing.footprint,
                {&Footprint::draft, exact_part(f.file_backed, source), Placement::host, true});
  for (std::size_t i = 0; i < f.devices.size(); ++i) {
    if (f.devices[i].unified) continue;  // Counted with the host's.
    const auto& device = f.devices[i];
    const SizedPart part{device.size() - device.runtime.size,
                         device.low() - device.runtime.low,
                         device.high() - device.runtime.high,
                         Basis::derived,
                         source,
                         true};
    add_companion(sizing.footprint, {&Footprint::draft, part, static_cast<int>(i)});
  }
  return {};
}

/// The same model with its next-token layers counted as ordinary ones.
Model with_next_token_layers(const Model& model) {
  Model whole = model;
  whole.hyperparameters.set("nextn_predict_layers", std::int64_t{0});
  return whole;
}

/// Weights, cache and graph of the layers that draft, in a context of their own.
Result<void> add_next_token_layers(Sizing& sizing) {
  const int first = sizing.model.hyperparameters.main_layer_count();
  if (sizing.model.hyperparameters.next_token_layer_count() == 0)
    return fail(ErrorCode::usage, fmt::format("{} has no next-token layers", sizing.model.id),
                "--spec-type draft-mtp needs a model with them; -md names a draft model.");
  auto& f = sizing.footprint;
  const std::string source = "next-token layers: weights, their own cache and graph";
  for (const auto& tensor : sizing.model.tensors)
    if (layer_of(tensor.name) >= first) {
      const int device = place_of(sizing.model, f, tensor.name);
      const Bytes size = buffer_size(tensor, rule_of(f, device));
      add_companion(f, {&Footprint::draft, exact_part(size, source), device, device == Placement::host});
    }
  const Model whole = with_next_token_layers(sizing.model);
  const auto layout = context_layout(whole, sizing.architecture, sizing.run);
  if (!layout) return tl::unexpected(layout.error());
  for (const auto& entry : *layout)
    if (entry.layer >= first) {
      const int device = f.offload.kv_offload && !f.devices.empty() ? layer_device(f.placement, entry.layer)
                                                                    : Placement::host;
      const Bytes size = allocated_size(entry.memory, rule_of(f, device).alignment);
      add_companion(f, {&Footprint::draft, exact_part(size, source), device});
    }
  const Scratch graph = closed_form_scratch(whole, sizing.run, *layout);
  const int device = f.devices.empty() ? Placement::host : f.placement.output_device;
  add_companion(
      f, {&Footprint::draft, {graph.size, Bytes(0), graph.high, Basis::derived, source, true}, device});
  return {};
}

/// Flags about a draft where nothing drafts.
void note_idle_draft_flags(const CompanionRequest& request, std::vector<std::string>& notes) {
  const bool model = !request.draft_model.empty();
  const std::pair<bool, const char*> flags[] = {
      {!model && !request.draft_quant.empty(), "--quant-draft"},
      {!model && request.draft_gpu_layers, "--gpu-layers-draft"},
      {!model && request.draft_cache_type_k, "--cache-type-k-draft"},
      {!model && request.draft_cache_type_v, "--cache-type-v-draft"},
      {!request.drafts() && request.draft_tokens, "--spec-draft-n-max"}};
  for (const auto& [idle, name] : flags)
    if (idle)
      notes.push_back(fmt::format("there is no draft model, so {} changes nothing; -md names one", name));
}

}  // namespace

std::int64_t CompanionRequest::drafted() const {
  return drafts() ? draft_tokens.value_or(default_drafted) : 0;
}

Result<void> add_companions(const Services& services, const SizingRequest& request, Sizing& sizing) {
  const auto& wanted = request.companions;
  note_idle_draft_flags(wanted, sizing.notes);
  for (const auto& path : wanted.adapters)
    if (auto added = add_adapter(services, path, sizing); !added) return added;
  if (!wanted.projector.empty() || wanted.catalog_projector)
    if (auto added = add_projector(services, wanted, sizing); !added) return added;
  if (!wanted.draft_model.empty())
    if (auto added = add_draft(services, request, sizing); !added) return added;
  if (wanted.next_token_layers)
    if (auto added = add_next_token_layers(sizing); !added) return added;
  add_orchestration(wanted, sizing.footprint);
  return {};
}

void add_orchestration(const CompanionRequest& request, Footprint& footprint) {
  if (!request.orchestration) return;
  SizedPart stated = exact_part(*request.orchestration, "--orchestration");
  stated.basis = Basis::overridden;
  add_companion(footprint, {&Footprint::orchestration, std::move(stated)});
}

}  // namespace llmsize::app
