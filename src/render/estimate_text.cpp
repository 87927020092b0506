#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "llmsize/core/text.hpp"
#include "llmsize/render/estimate.hpp"
#include "speed_text.hpp"

namespace llmsize::render {
namespace {

std::string spread(const SizedPart& part) {
  return part.low == part.high ? "" : fmt::format("  ({} to {})", size_text(part.low), size_text(part.high));
}

std::string budget_name(const EstimateReport& report) {
  return report.budget_named || report.verdict.bound_by.starts_with("GPU")
             ? report.verdict.bound_by
             : fmt::format("this host ({})", report.verdict.bound_by);
}

/// "24.1 GiB in memory and 20.2 GiB on GPU0": what each place needs.
std::string needs_by_place(const Verdict& verdict) {
  std::vector<std::string> needs;
  for (const auto& place : verdict.places)
    needs.push_back(fmt::format("{} {}", size_text(place.need),
                                place.device == "CPU" ? "in memory" : "on " + place.device));
  return fmt::format("{}", fmt::join(needs, ", "));
}

/// The sentence where devices of their own are part of the answer.
std::string headline_with_devices(const EstimateReport& report, const std::string& what) {
  const Verdict& verdict = report.verdict;
  const std::string layers = report.footprint.offload.gpu_layers == 0
                                 ? "no layer"
                                 : fmt::format("{} layers", report.footprint.offload.gpu_layers);
  const std::string needs = fmt::format("{} with {} on the GPU", needs_by_place(verdict), layers);
  const std::string limit = verdict.budget.known() ? fmt::format("bound by {} with {}", budget_name(report),
                                                                 size_text(*verdict.budget.value))
                                                   : "";
  switch (verdict.fit) {
    case Fit::resident:
      return fmt::format("{} fits: {}, {}.", what, needs, limit);
    case Fit::pages_from_disk:
      return fmt::format("{} runs only by paging weights from disk: {}, {}.", what, needs, limit);
    case Fit::cannot:
      return fmt::format("{} cannot run: {}, {}, {} too little.", what, needs, limit,
                         size_text(Bytes(0) - verdict.headroom));
    case Fit::unknown:
      break;
  }
  return fmt::format("{} needs {}; whether it fits is unknown.", what, needs);
}

/// "; with --cache-ram 0: Q4_K_M": what other flags would make of it.
std::string other_solutions(const Solution& solution) {
  std::string out;
  for (const auto& other : solution.others) out += fmt::format("; with {}: {}", other.flag, other.value);
  return out;
}

/// "At most 45056 tokens of context fit in memory; 45312 would lack 12 MiB, bound by GPU0."
std::string solution_sentence(const Solution& solution) {
  constexpr std::pair<const char*, const char*> sentences[] = {
      {"context", "At most {} tokens of context {}"},
      {"parallel", "At most {} slots {}"},
      {"quant", "{} is the largest file type to {}"},
      {"gpu-layers", "At most {} layers fit the GPU"}};
  std::string largest;
  for (const auto& [quantity, sentence] : sentences)
    if (solution.quantity == quantity)
      largest = fmt::format(fmt::runtime(sentence), solution.value,
                            solution.paging ? "run, paging weights from disk where need be (--require runs)"
                                            : "fit in memory (--require resident)");
  if (solution.loss)
    largest +=
        fmt::format(" (published loss {:.3g} nats of mean KL divergence)", solution.loss->kl_divergence);
  const std::string lack = fmt::format("{} would lack {}, bound by {}", solution.next,
                                       size_text(solution.next_shortfall), solution.next_bound_by);
  const std::string others = other_solutions(solution);
  if (solution.value.empty()) return fmt::format("Nothing fits: {} {}{}. ", solution.quantity, lack, others);
  return fmt::format("{}; {}{}. ", largest, solution.next.empty() ? solution.most : lack, others);
}

std::string limit_lines(const EstimateReport& report) {
  std::string out;
  if (const auto& gate = report.gate) {
    out += fmt::format(
        "\nContext gate\n  {} hold {} tokens, {} for each further one ({})\n  {} tokens are left after {}\n",
        size_text(gate->budget), grouped(gate->tokens), size_text(gate->bytes_per_token), gate->source,
        grouped(gate->left), grouped(gate->held));
    if (gate->turn_tokens > 0)
      out += fmt::format("  after {} turns of {} tokens the conversation runs out\n", grouped(gate->turns),
                         grouped(gate->turn_tokens));
  }
  if (const auto& stress = report.stress) {
    out += fmt::format(
        "\nStress: {} slots with {} tokens in and {} out at once need {}, checkpoints of {} and a full "
        "prompt "
        "cache included",
        stress->slots, grouped(stress->input_tokens), grouped(stress->output_tokens), size_text(stress->need),
        size_text(stress->checkpoints));
    const auto& places = report.verdict.places;
    if (!places.empty() && places.front().budget.known()) {
      const Bytes left = *places.front().budget.value - (stress->need - report.footprint.elsewhere_high);
      out += left < Bytes(0) ? fmt::format("; {} of memory are missing", size_text(Bytes(0) - left))
                             : fmt::format("; {} of memory are left", size_text(left));
    }
    out += ".\n";
  }
  return out;
}

std::string headline(const EstimateReport& report) {
  const std::string what = fmt::format("{} at {} with {} tokens of context", report.model.name,
                                       report.artifact.quant, grouped(report.run.context_tokens));
  std::string need = size_text(report.footprint.total);
  if (report.footprint.prompt_cache.high.value() > 0)
    need += fmt::format(" (up to {} with a full prompt cache)", size_text(report.footprint.high));
  const Verdict& verdict = report.verdict;
  std::string sentence;
  if (verdict.places.size() > 1) {
    sentence = headline_with_devices(report, what);
    if (verdict.prompt_cache_decides)
      sentence += " The prompt cache alone decides that: --cache-ram caps it.";
    return report.next_step.empty() ? sentence : sentence + " Next: " + report.next_step + ".";
  }
  switch (verdict.fit) {
    case Fit::resident:
      sentence = fmt::format("{} fits: {} of {}, bound by {}.", what, need, size_text(*verdict.budget.value),
                             budget_name(report));
      break;
    case Fit::pages_from_disk:
      sentence = fmt::format("{} runs only by paging weights from disk: {} needed, {} there, bound by {}.",
                             what, need, size_text(*verdict.budget.value), budget_name(report));
      break;
    case Fit::cannot:
      sentence = fmt::format(
          "{} cannot run: {} of it must stay in memory{}, {} there, bound by {}.", what,
          size_text(report.footprint.anonymous),
          verdict.prompt_cache_decides
              ? fmt::format(" and up to {} of prompt cache", size_text(report.footprint.prompt_cache.high))
              : std::string(),
          size_text(*verdict.budget.value), budget_name(report));
      break;
    case Fit::unknown:
      sentence = fmt::format("{} needs {}; whether it fits is unknown.", what, need);
      break;
  }
  if (verdict.prompt_cache_decides) sentence += " The prompt cache alone decides that: --cache-ram caps it.";
  return report.next_step.empty() ? sentence : sentence + " Next: " + report.next_step + ".";
}

std::string model_lines(const EstimateReport& report) {
  const ModelIdentity& model = report.model;
  std::string line = "Model      " + std::string(model.source == ModelSource::params ? "any"
                                                 : model.id.empty()                  ? model.name
                                                                                     : model.id);
  if (!model.architecture.empty()) line += fmt::format(", architecture {}", model.architecture);
  line += fmt::format(", {} parameters", params_text(model.total_params));
  if (model.active_params) line += fmt::format(", {} active per token", params_text(*model.active_params));
  return line + fmt::format(" (from {})\n", model.source == ModelSource::catalog  ? "the catalog"
                                            : model.source == ModelSource::gguf   ? "the GGUF header"
                                            : model.source == ModelSource::config ? "config.json"
                                                                                  : "--params alone");
}

std::string run_lines(const EstimateReport& report) {
  const Run& run = report.run;
  const std::string slots = run.sequences == 1 ? "one slot"
                            : run.kv_unified
                                ? fmt::format("{} slots sharing one cache", run.sequences)
                                : fmt::format("{} slots of {}", run.sequences, grouped(run.sequence_context));
  return fmt::format(
      "Run        {}: {} tokens of context, {}, batch {}, micro-batch {}, cache {}/{}, flash attention {}, "
      "{}{}\n",
      run.tool == Tool::bench ? "llama-bench" : "llama-server", grouped(run.context_tokens), slots,
      run.batch_tokens, run.ubatch_tokens, run.cache_type_k.name(), run.cache_type_v.name(),
      run.flash_attention ? "on" : "off",
      report.residency.load_mode == LoadMode::mmap    ? "mmap"
      : report.residency.load_mode == LoadMode::mlock ? "mlock"
                                                      : "no mmap",
      run.embeddings ? ", embeddings" : "");
}

std::string artifact_lines(const ArtifactReport& artifact) {
  std::string lines = fmt::format("File       {}{}, {} bytes of tensors, {:.2f} bits per weight\n",
                                  size_text(artifact.file.size), spread(artifact.file),
                                  grouped(artifact.tensors.size.value()), artifact.bits_per_weight);
  std::vector<std::pair<std::string, Bytes>> types(artifact.bytes_by_type.begin(),
                                                   artifact.bytes_by_type.end());
  std::stable_sort(types.begin(), types.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  for (const auto& [type, size] : types)
    lines += fmt::format("           {:<8} {:>5} tensors {:>12}\n", type, artifact.count_by_type.at(type),
                         size_text(size));
  return lines;
}

struct MemoryLine {
  const char* label;
  const SizedPart* part;
  const char* remark;
  bool stated = false;  ///< Only the user can say how much it is, so that nothing is worth explaining, too.
};

std::string memory_line(const MemoryLine& line, bool explain) {
  const SizedPart& part = *line.part;
  if (!part.known) return fmt::format("  {:<17} {:>12}  {}\n", line.label, "unknown", part.source);
  const bool none = part.low == Bytes(0) && part.high == Bytes(0);
  if (none && !(explain && line.stated)) return "";
  std::string out = fmt::format("  {:<17} {:>12}{}", line.label, size_text(part.size), spread(part));
  if (*line.remark != 0) out += fmt::format("  {}", line.remark);
  out += '\n';
  if (explain && !part.source.empty())
    out += fmt::format("  {:<17}   {}: {}\n", "", basis_name(part.basis), part.source);
  return out;
}

/// The row that closes the gap between the buffers' weights with their copies and what memory keeps of them.
MemoryLine kept_line(const Footprint& f, bool mapped) {
  if (f.kept_difference.size > Bytes(0))
    return {"mapped besides", &f.kept_difference, "the file's weights on the GPU between those on the host"};
  return {"not kept", &f.kept_difference,
          mapped ? "unmapped beyond the weights used in place, or two buffers over the same pages"
                 : "originals of the repacked weights"};
}

std::string memory_lines(const EstimateReport& report, bool explain) {
  const Footprint& f = report.footprint;
  const bool mapped = report.residency.load_mode != LoadMode::none;
  const SizedPart nothing;
  // What lies inside another part would confuse a sum, so it is shown to those who ask for everything.
  const auto explained = [&](const SizedPart& part) { return explain ? &part : &nothing; };
  const MemoryLine lines[] = {
      {"weights", &f.weights,
       !mapped             ? "read into memory"
       : f.devices.empty() ? "mapped from the file"
                           : "the host's part mapped from the file"},
      {"repacked weights", &f.repacked,
       mapped ? "second copy in the processor's layout; --no-repack drops it"
              : "in the processor's layout, instead of the originals"},
      kept_line(f, mapped),
      {"KV cache", &f.kv_cache, "reserved in full at start"},
      {"recurrent state", &f.state, ""},
      {"scratch", &f.compute, "reused by every layer; not the peak of the process"},
      {"  token vectors", explained(f.token_vectors), "inside the scratch, not added again"},
      {"output", &f.output, ""},
      {"adapters", &f.adapters, ""},
      {"projector", &f.projector, ""},
      {"draft", &f.draft, explain ? "" : f.draft.source.c_str()},
      {"orchestration", &f.orchestration, "what --orchestration says", true},
      {"runtime", &f.runtime, "vocabulary, graph and the like"},
      {"  results", explained(f.results), "inside the runtime, not added again"},
      {"GPU runtime", &f.device_runtime, "what the driver takes before the first buffer"}};
  std::string out = "\nMemory\n";
  for (const auto& line : lines) out += memory_line(line, explain);
  out += fmt::format("  {:<17} {:>12}  anonymous {}, file-backed {}{}\n", "total", size_text(f.total),
                     size_text(f.anonymous), size_text(f.file_backed),
                     f.elsewhere > Bytes(0) ? ", on GPUs " + size_text(f.elsewhere) : "");
  out += memory_line({"load staging", &f.load_staging, "while loading only; not in the total"}, explain);
  out += memory_line(
      {"prompt cache", &f.prompt_cache, "not in the total: grows to this cap; --cache-ram sets it"}, explain);
  if (f.low != f.high)
    out += fmt::format("  {:<17} {:>12}  to {}\n", "from", size_text(f.low), size_text(f.high));
  return out;
}

/// One line per memory, as the engine lists its buffers.
std::string device_lines(const EstimateReport& report) {
  const Footprint& f = report.footprint;
  if (f.devices.empty()) return "";
  std::string out = fmt::format("\nBy device {:>17} {:>12} {:>12} {:>12} {:>12} {:>12}\n", "weights",
                                "KV, state", "scratch", "other", "capacity", "left");
  std::vector<std::pair<const DeviceMemory*, Bytes>> memories{{&f.host, other_need_of_host(f)}};
  for (const auto& device : f.devices) memories.emplace_back(&device, other_need(device));
  for (const auto& [memory, other] : memories) {
    const PlaceVerdict* verdict = nullptr;
    for (const auto& place : report.verdict.places)
      if (place.device == memory->device) verdict = &place;
    const bool judged = verdict != nullptr && verdict->budget.known();
    out += fmt::format("  {:<8} {:>16} {:>12} {:>12} {:>12} {:>12} {:>12}  {}\n", memory->device,
                       size_text(memory->weights), size_text(memory->caches + memory->states),
                       size_text(memory->compute.size), size_text(other),
                       judged            ? size_text(*verdict->budget.value)
                       : memory->unified ? "the CPU's"
                                         : "unknown",
                       judged ? size_text(verdict->headroom) : "", memory->label);
  }
  return out + "  other: the prompt cache at its cap, runtime, what runs beside, and each part at its most\n";
}

std::string scratch_lines(const Scratch& scratch) {
  if (scratch.parts.empty()) return "";
  std::string out =
      "\nScratch by part (the parts share space, so the peak is not their sum, and is not the process's "
      "peak)\n";
  for (const auto& part : scratch.parts)
    out += fmt::format("  {:<22} {:>12}\n", part.name, size_text(part.size));
  return out;
}

std::string layer_lines(const std::vector<Tensor>& tensors) {
  std::map<int, Bytes> by_layer;
  for (const auto& tensor : tensors) by_layer[layer_of(tensor.name)] += tensor.size();
  std::string out = "\nWeights by layer\n";
  for (const auto& [layer, size] : by_layer)
    out += fmt::format("  {:<10} {:>12}\n", layer < 0 ? "outside" : fmt::format("layer {}", layer),
                       size_text(size));
  out += "\nTensors\n";
  for (const auto& tensor : tensors)
    out += fmt::format(
        "  {:<40} {:<8} {:>14}  {}\n", tensor.name, tensor.type.name(), grouped(tensor.size().value()),
        fmt::join(tensor.dimensions.begin(), tensor.dimensions.begin() + tensor.rank(), " x "));
  return out;
}

std::string guide_line(const EstimateReport& report) {
  if (!report.guide) return "";
  const double percent = report.guide->difference_percent;
  return fmt::format(
      "\nThe guide's rule of thumb says {:.1f} GB: {:.1f} % {} the weights and KV cache above.\n",
      static_cast<double>(report.guide->size.value()) / 1e9, std::abs(percent),
      percent < 0 ? "below" : "above");
}

std::string speed_line(const char* label, const std::optional<SpeedRange>& speed) {
  if (!speed) return "";
  return fmt::format("  {:<8} {} tokens/s ({} to {})\n", label, speed_text(speed->mid),
                     speed_text(speed->low), speed_text(speed->high));
}

/// What is read from storage for each token, and with what rate.
std::string storage_line(const std::optional<StorageReads>& storage) {
  if (!storage || !storage->token.any()) return "";
  const auto& reads = storage->token;
  std::string line = fmt::format("  storage  {} a token ({} to {})", size_text(reads.mid),
                                 size_text(reads.low), size_text(reads.high));
  if (storage->rate.known())
    line +=
        fmt::format(" at {:.1f} GB/s ({})", storage->rate.value->per_second() / 1e9, storage->rate.source);
  return line + '\n';
}

/// What others gained, one line each: the rest is for --explain.
std::string faster_lines(const std::vector<AccelerationMethod>& methods) {
  if (methods.empty()) return "";
  std::string out =
      "\nFaster     what others gained over their own baselines; it does not multiply (--explain: where, "
      "how)\n";
  for (const auto& method : methods)
    out += fmt::format("  {:.2f}x ({:.2f} to {:.2f})  {}{}{}\n", method.mid, method.low, method.high,
                       method.name, method.lossy ? "; changes the answers" : "",
                       method.weak_baseline ? "; over a baseline too slow to count" : "");
  return out;
}

std::string speed_lines(const EstimateReport& report) {
  const std::string rest = storage_line(report.storage);
  if (!report.decode_speed && !report.prompt_speed)
    return report.speed_unknown_because.empty()
               ? ""
               : fmt::format("\nSpeed      unknown: {}\n", report.speed_unknown_because) + rest;
  const std::string decode = report.decode_speed || report.speed_unknown_because.empty()
                                 ? speed_line("decode", report.decode_speed)
                                 : fmt::format("  decode   unknown: {}\n", report.speed_unknown_because);
  std::string of;
  if (report.speed_depth)
    of = fmt::format(" (with {} tokens before the one decoded", grouped(*report.speed_depth));
  if (report.speed_depth && report.speed_experts)
    of += fmt::format(", {} of {} experts", report.speed_experts->used, report.speed_experts->count);
  if (report.speed_depth) of += ')';
  return "\nSpeed" + of + '\n' + decode + speed_line("prompt", report.prompt_speed) + rest;
}

/// What others gained, never to be multiplied.
std::string acceleration_lines(const std::vector<AccelerationMethod>& methods) {
  if (methods.empty()) return "";
  std::string out = "\nWhat made others faster (factors over each baseline; they do not multiply)\n";
  for (const auto& method : methods) {
    out += fmt::format("  {:.2f}x ({:.2f} to {:.2f})  {}{}{}\n", method.mid, method.low, method.high,
                       method.name, method.lossy ? "; changes the answers" : "",
                       method.weak_baseline ? "; over a baseline too slow to count" : "");
    out += fmt::format("    baseline: {}; hardware: {}; task: {}; source: {}\n", method.baseline,
                       method.hardware, method.task, method.source);
  }
  return out;
}

}  // namespace

std::string estimate_text(const EstimateReport& report, bool explain) {
  std::string page = (report.solution ? solution_sentence(*report.solution) : "") + headline(report) +
                     "\n\n" + model_lines(report) + run_lines(report) + artifact_lines(report.artifact) +
                     memory_lines(report, explain);
  page += device_lines(report);
  page += limit_lines(report);
  if (explain) page += scratch_lines(report.footprint.scratch);
  page += speed_lines(report);
  if (!explain) page += faster_lines(report.acceleration);
  page += guide_line(report);
  if (!report.notes.empty()) {
    page += "\nNotes\n";
    for (const auto& note : report.notes) page += fmt::format("  - {}\n", note);
  }
  if (explain) page += acceleration_lines(report.acceleration);
  if (explain && !report.tensors.empty()) page += layer_lines(report.tensors);
  return page;
}

}  // namespace llmsize::render
