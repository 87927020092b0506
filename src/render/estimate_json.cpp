#include "estimate_document.hpp"
#include "llmsize/core/engine.hpp"
#include "llmsize/render/estimate.hpp"

namespace llmsize::render {
namespace {

using Json = nlohmann::ordered_json;

Json model_json(const ModelIdentity& model) {
  return {{"id", model.id},
          {"name", model.name},
          {"architecture", model.architecture.empty() ? Json() : Json(model.architecture)},
          {"source", model_source_name(model.source)},
          {"total_params", model.total_params.value()},
          {"active_params", model.active_params ? Json(model.active_params->value()) : Json()}};
}

Json run_json(const EstimateReport& report) {
  const Run& run = report.run;
  return {{"engine", engine::name},
          {"engine_version", engine::version},
          {"tool", run.tool == Tool::bench ? "bench" : "server"},
          {"context_tokens", run.context_tokens},
          {"padded_context_tokens", run.padded_context},
          {"context_tokens_per_sequence", run.sequence_context},
          {"batch_tokens", run.batch_tokens},
          {"ubatch_tokens", run.ubatch_tokens},
          {"parallel", run.sequences},
          {"kv_unified", run.kv_unified},
          {"cache_type_k", run.cache_type_k.name()},
          {"cache_type_v", run.cache_type_v.name()},
          {"flash_attention", run.flash_attention},
          {"swa_full", run.swa_full},
          {"embeddings", run.embeddings},
          {"output_rows", run.output_rows},
          {"gpu_layers", report.footprint.devices.empty() ? 0 : report.footprint.offload.gpu_layers},
          {"cpu_expert_layers", report.footprint.offload.cpu_expert_layers},
          {"kv_offload", report.footprint.offload.kv_offload},
          {"mmap", report.residency.load_mode != LoadMode::none},
          {"repack", report.residency.repack}};
}

Json artifact_json(const ArtifactReport& artifact) {
  Json counts = Json::object();
  for (const auto& [type, count] : artifact.count_by_type) counts[type] = count;
  Json bytes = Json::object();
  for (const auto& [type, size] : artifact.bytes_by_type) bytes[type] = size.value();
  return {{"quant", artifact.quant},
          {"tensor_bytes", artifact.tensors.size.value()},
          {"tensor_bytes_low", artifact.tensors.low.value()},
          {"tensor_bytes_high", artifact.tensors.high.value()},
          {"file_bytes", artifact.file.size.value()},
          {"file_bytes_low", artifact.file.low.value()},
          {"file_bytes_high", artifact.file.high.value()},
          {"bits_per_weight", artifact.bits_per_weight},
          {"tensors_by_type", std::move(counts)},
          {"bytes_by_type", std::move(bytes)},
          {"basis",
           {{"tensor_bytes",
             {{"basis", basis_name(artifact.tensors.basis)}, {"source", artifact.tensors.source}}},
            {"file_bytes", {{"basis", basis_name(artifact.file.basis)}, {"source", artifact.file.source}}}}}};
}

const PlaceVerdict* verdict_of(const EstimateReport& report, const std::string& device) {
  for (const auto& place : report.verdict.places)
    if (place.device == device) return &place;
  return nullptr;
}

Json device_json(const EstimateReport& report, const DeviceMemory& memory, bool context_known) {
  // A device in the host's memory has the host's room.
  const auto* verdict = verdict_of(report, memory.unified ? "CPU" : memory.device);
  const bool judged = verdict != nullptr && verdict->budget.known();
  const Fact<Bytes>& capacity = verdict != nullptr ? verdict->budget : memory.capacity;
  const auto context = [&](Bytes size) { return context_known ? Json(size.value()) : Json(); };
  return {{"device", memory.device},
          {"name", memory.label.empty() ? Json() : Json(memory.label)},
          {"weights_bytes", memory.weights.value()},
          {"kv_bytes", context(memory.caches)},
          {"state_bytes", context(memory.states)},
          {"compute_bytes", context(memory.compute.size)},
          {"runtime_bytes", memory.runtime.size.value()},
          {"companion_bytes", memory.companions.size.value()},
          {"unified", memory.unified},
          {"capacity_bytes", capacity.known() ? Json(capacity.value->value()) : Json()},
          {"headroom_bytes", judged ? Json(verdict->headroom.value()) : Json()}};
}

/// A line of the host's memory that is set apart; it shares the host's capacity.
Json part_of_host(const EstimateReport& report, const char* name, Bytes weights, Bytes compute) {
  DeviceMemory part;
  part.device = "CPU";
  part.weights = weights;
  part.compute.size = compute;
  Json line = device_json(report, part, true);
  line["device"] = name;
  line["part_of"] = "CPU";
  return line;
}

/// The host, what is set apart in it, then the devices, as the engine lists its buffers.
Json devices_json(const EstimateReport& report) {
  const Footprint& f = report.footprint;
  const bool complete = f.kv_cache.known && f.compute.known;
  const auto line = [&](const DeviceMemory& memory, Bytes other) {
    Json fields = device_json(report, memory, complete);
    fields["other_bytes"] = complete ? Json(other.value()) : Json();
    return fields;
  };
  Json lines = Json::array({line(f.host, other_need_of_host(f))});
  if (f.repacked.size > Bytes(0))
    lines.push_back(part_of_host(report, "CPU_REPACK", f.repacked.size, Bytes(0)));
  if (f.pinned > Bytes(0)) {
    Json pinned = part_of_host(report, "HOST_PINNED", Bytes(0), Bytes(0));
    pinned["pinned_bytes"] = f.pinned.value();
    lines.push_back(std::move(pinned));
  }
  for (const auto& device : f.devices) lines.push_back(line(device, other_need(device)));
  return lines;
}

Json memory_json(const EstimateReport& report) {
  const Footprint& f = report.footprint;
  Json memory = Json::object();
  Json intervals = Json::object();
  Json basis = Json::object();
  const auto add = [&](const char* key, const SizedPart& part) {
    memory[key] = part.known ? Json(part.size.value()) : Json();
    if (part.known && part.low != part.high)
      intervals[key] = {{"low", part.low.value()}, {"high", part.high.value()}};
    if (!part.source.empty()) basis[key] = {{"basis", basis_name(part.basis)}, {"source", part.source}};
  };
  add("weights_bytes", f.weights);
  add("repacked_bytes", f.repacked);
  add("kept_difference_bytes", f.kept_difference);
  add("kv_bytes", f.kv_cache);
  add("kv_active_bytes", f.kv_active);
  add("state_bytes", f.state);
  add("compute_bytes", f.compute);
  add("output_bytes", f.output);
  add("prompt_cache_bytes", f.prompt_cache);
  add("adapter_bytes", f.adapters);
  add("projector_bytes", f.projector);
  add("draft_bytes", f.draft);
  add("runtime_bytes", f.runtime);
  add("device_runtime_bytes", f.device_runtime);
  add("orchestration_bytes", f.orchestration);
  add("token_vectors_bytes", f.token_vectors);
  add("result_bytes", f.results);
  add("load_staging_bytes", f.load_staging);
  // Known only once measured on a running server; never guessed.
  memory["peak_process_bytes"] = nullptr;
  // A sum with an unknown part is unknown too.
  const bool complete = f.kv_cache.known && f.state.known && f.compute.known;
  const auto sum = [&](Bytes bytes) { return complete ? Json(bytes.value()) : Json(); };
  memory["anonymous_bytes"] = sum(f.anonymous);
  memory["file_backed_bytes"] = f.file_backed.value();
  memory["total_bytes"] = sum(f.total);
  memory["low_bytes"] = sum(f.low);
  memory["high_bytes"] = sum(f.high);
  memory["devices"] = devices_json(report);
  memory["intervals"] = std::move(intervals);
  memory["basis"] = std::move(basis);
  return memory;
}

Json scratch_json(const Scratch& scratch) {
  Json parts = Json::array();
  for (const auto& part : scratch.parts) parts.push_back({{"name", part.name}, {"bytes", part.size.value()}});
  return parts;
}

Json speed_json(const std::optional<SpeedRange>& speed) {
  if (!speed) return {{"low", nullptr}, {"mid", nullptr}, {"high", nullptr}};
  return {
      {"low", speed->low.per_second()}, {"mid", speed->mid.per_second()}, {"high", speed->high.per_second()}};
}

Json reads_json(const DiskReads& reads) {
  return {{"low", reads.low.value()}, {"mid", reads.mid.value()}, {"high", reads.high.value()}};
}

/// What weights that page cost; null where none do.
Json storage_json(const std::optional<StorageReads>& storage) {
  if (!storage) return {};
  const auto& rate = storage->rate;
  return {
      {"read_bytes_per_token", reads_json(storage->token)},
      {"read_bytes_per_prompt_token", reads_json(storage->prompt_token)},
      {"read_bytes_per_second", rate.known() ? Json(rate.value->per_second()) : Json()},
      {"basis", {{"read_bytes_per_second", {{"basis", basis_name(rate.basis)}, {"source", rate.source}}}}}};
}

Json verdict_json(const Verdict& verdict) {
  const bool known = verdict.budget.known();
  Json places = Json::array();
  for (const auto& place : verdict.places)
    places.push_back({{"device", place.device},
                      {"need_bytes", place.need.value()},
                      {"budget_bytes", place.budget.known() ? Json(place.budget.value->value()) : Json()},
                      {"headroom_bytes", place.budget.known() ? Json(place.headroom.value()) : Json()}});
  return {
      {"fits", fit_name(verdict.fit)},
      {"bound_by", verdict.bound_by},
      {"budget_bytes", known ? Json(verdict.budget.value->value()) : Json()},
      {"headroom_bytes", known ? Json(verdict.headroom.value()) : Json()},
      {"places", std::move(places)},
      {"basis",
       {{"budget_bytes", {{"basis", basis_name(verdict.budget.basis)}, {"source", verdict.budget.source}}}}}};
}

/// Factors that others measured, each with its baseline; they are never multiplied with each other.
Json acceleration_json(const std::vector<AccelerationMethod>& methods) {
  Json list = Json::array();
  for (const auto& method : methods)
    list.push_back({{"id", method.id},
                    {"name", method.name},
                    {"family", method.family},
                    {"factor", {{"low", method.low}, {"mid", method.mid}, {"high", method.high}}},
                    {"baseline", method.baseline},
                    {"hardware", method.hardware},
                    {"task", method.task},
                    {"lossy", method.lossy},
                    {"weak_baseline", method.weak_baseline},
                    {"note", method.note},
                    {"basis", {{"factor", {{"basis", "reported"}, {"source", method.source}}}}}});
  return list;
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

Json solution_json(const Solution& solution) {
  const bool next = !solution.next.empty();
  Json others = Json::array();
  for (const auto& other : solution.others) others.push_back({{"flag", other.flag}, {"value", other.value}});
  Json loss;
  if (solution.loss)
    loss = {{"kl_divergence", solution.loss->kl_divergence},
            {"basis", {{"kl_divergence", {{"basis", "reported"}, {"source", solution.loss->source}}}}}};
  return {{"for", solution.quantity},
          {"value", text_or_null(solution.value)},
          {"next",
           {{"value", text_or_null(solution.next)},
            {"shortfall_bytes", next ? Json(solution.next_shortfall.value()) : Json()},
            {"bound_by", text_or_null(solution.next_bound_by)}}},
          {"no_next_because", text_or_null(solution.most)},
          {"require", solution.paging ? "runs" : "resident"},
          {"others", std::move(others)},
          {"loss", std::move(loss)}};
}

Json gate_json(const ContextGate& gate) {
  return {{"budget_bytes", gate.budget.value()},
          {"source", gate.source},
          {"tokens", gate.tokens},
          {"bytes_per_token", gate.bytes_per_token.value()},
          {"held_tokens", gate.held},
          {"left_tokens", gate.left},
          {"turn_tokens", gate.turn_tokens > 0 ? Json(gate.turn_tokens) : Json()},
          {"turns_left", gate.turn_tokens > 0 ? Json(gate.turns) : Json()}};
}

/// Whether the host holds the case; null where its budget is unknown.
Json holds_stress(const EstimateReport& report) {
  const auto& places = report.verdict.places;
  if (places.empty() || !places.front().budget.known()) return Json();
  return report.stress->need - report.footprint.elsewhere_high <= *places.front().budget.value;
}

Json stress_json(const EstimateReport& report) {
  const StressCase& stress = *report.stress;
  return {{"slots", stress.slots},
          {"input_tokens_per_slot", stress.input_tokens},
          {"output_tokens_per_slot", stress.output_tokens},
          {"checkpoints_bytes", stress.checkpoints.value()},
          {"need_bytes", stress.need.value()},
          {"fits_host", holds_stress(report)}};
}

}  // namespace

nlohmann::ordered_json estimate_document(const EstimateReport& report) {
  Json document = {{"schema", "llmsize.estimate/1"}};
  document["model"] = model_json(report.model);
  document["run"] = run_json(report);
  document["artifact"] = artifact_json(report.artifact);
  document["memory"] = memory_json(report);
  document["compatibility"] = {
      {"architecture", report.model.architecture.empty() ? Json() : Json(report.model.architecture)},
      {"types", document["artifact"]["tensors_by_type"]},
      {"backend",
       report.footprint.offload.devices.empty() || report.footprint.offload.devices[0].backend.empty()
           ? "CPU"
           : report.footprint.offload.devices[0].backend},
      {"min_engine_version", nullptr}};
  document["scratch"] = scratch_json(report.footprint.scratch);
  document["scratch_note"] = "parts share space: the peak is not their sum, and not the process's peak";
  document["throughput"] = {
      {"decode_tokens_per_second", speed_json(report.decode_speed)},
      {"prefill_tokens_per_second", speed_json(report.prompt_speed)},
      {"assumed_active_tokens", report.speed_depth ? Json(*report.speed_depth) : Json()},
      {"experts_used", report.speed_experts ? Json(report.speed_experts->used) : Json()},
      {"storage", storage_json(report.storage)}};
  document["acceleration"] = acceleration_json(report.acceleration);
  document["verdict"] = verdict_json(report.verdict);
  document["guide"] = report.guide ? Json{{"size_bytes", report.guide->size.value()},
                                          {"difference_percent", report.guide->difference_percent}}
                                   : Json();
  document["solve"] = report.solution ? solution_json(*report.solution) : Json();
  document["gate"] = report.gate ? gate_json(*report.gate) : Json();
  document["stress"] = report.stress ? stress_json(report) : Json();
  document["notes"] = report.notes;
  return document;
}

std::string estimate_json(const EstimateReport& report) {
  return estimate_document(report).dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace llmsize::render
