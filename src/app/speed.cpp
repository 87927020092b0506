#include "llmsize/app/speed.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "llmsize/app/placed_speed.hpp"
#include "llmsize/catalog/cpus.hpp"
#include "llmsize/core/cpu_name.hpp"

namespace llmsize::app {
namespace {

constexpr const char* bandwidth_remedy =
    "memory bandwidth is unknown: give --bandwidth GB/s, or --cpu NAME of a processor in the catalog";

/// "2x AMD EPYC 9654": so many sockets of a processor.
struct NamedCpu {
  int packages = 1;
  std::string name;
};

NamedCpu named_cpu(const std::string& text) {
  constexpr int most_packages = 8;
  if (text.size() > 2 && text[0] >= '1' && text[0] <= '0' + most_packages && text[1] == 'x')
    return {text[0] - '0', text.substr(2)};
  return {1, text};
}

/// By the whole name, or without its maker: "EPYC 9654".
std::optional<catalog::EntryReference> find_cpu(const Services& services, const std::string& name) {
  if (auto found = services.catalog.find_by_name("cpu", name)) return found;
  const std::string plain = plain_cpu_name(name);
  for (const char* maker : {"", "AMD ", "Intel "})
    if (auto found = services.catalog.find_by_name("cpu", maker + plain)) return found;
  return std::nullopt;
}

/// Theoretical bandwidth of processors with their fastest supported memory in every channel.
Fact<BytesPerSecond> catalog_bandwidth(const Services& services, const NamedCpu& cpu) {
  const auto reference = find_cpu(services, cpu.name);
  if (!reference) return unknown<BytesPerSecond>(bandwidth_remedy);
  const auto entry = services.catalog.parse(*reference);
  if (!entry) return unknown<BytesPerSecond>(entry.error().message);
  const std::string source = "data/cpus.json, " + std::string(reference->id);
  const auto package = catalog::package_bandwidth(*entry);
  if (!package) return unknown<BytesPerSecond>(bandwidth_remedy);
  const BytesPerSecond rate(cpu.packages * package->rate.per_second());
  return package->stated ? reported(rate, source) : derived(rate, source);
}

/// NUMA nodes with processors and memory: all of them, and those whose processors this process may use.
struct ReachedNodes {
  int all = 0, used = 0;
  [[nodiscard]] bool fewer() const { return used > 0 && used < all; }
  [[nodiscard]] double part() const { return fewer() ? static_cast<double>(used) / all : 1; }
};

ReachedNodes reached_nodes(const Host& host) {
  ReachedNodes nodes;
  const auto& allowed = host.limits.allowed_cpus.value;
  for (const auto& node : host.numa) {
    if (!node.is_system() || node.cpus.empty()) continue;
    ++nodes.all;
    if (!allowed || std::any_of(node.cpus.begin(), node.cpus.end(), [&](int cpu) {
          return std::find(allowed->begin(), allowed->end(), cpu) != allowed->end();
        }))
      ++nodes.used;
  }
  return nodes;
}

/// A process that is bound to some nodes allocates there, and reads with those nodes' channels.
Fact<BytesPerSecond> reached_bandwidth(const Host& host, Fact<BytesPerSecond> bandwidth) {
  const auto nodes = reached_nodes(host);
  if (!bandwidth.known() || !nodes.fewer() || bandwidth.basis == Basis::overridden) return bandwidth;
  return derived(*bandwidth.value * nodes.part(),
                 fmt::format("{}; {} of {} NUMA nodes, the others' processors are not allowed",
                             bandwidth.source, nodes.used, nodes.all));
}

CoreKind core_kind(const Host& host) {
  const auto& cpu = host.cpu;
  if (cpu.has_isa("avx512f")) return CoreKind::avx512;
  if (cpu.has_isa("avx2")) return CoreKind::avx2;
  if (cpu.has_isa("i8mm")) return CoreKind::dot_product;
  // Unknown instruction sets count as what any server of the last ten years has.
  return cpu.isa.known() ? CoreKind::plain : CoreKind::avx2;
}

std::optional<int> working_threads(const Host& host, const SpeedRequest& request) {
  std::optional<int> threads = host.cpu.physical_cores.value;
  if (host.effective.threads.known())
    threads = std::min(threads.value_or(*host.effective.threads.value), *host.effective.threads.value);
  // Threads beyond the cores add nothing to decoding (docs/METHOD.md, "Throughput").
  if (request.threads) threads = std::min(threads.value_or(*request.threads), *request.threads);
  return threads;
}

/// Splits the token's work over the GPUs in order and gives the rest to the CPU.
Result<std::vector<DecodeShare>> place(const TokenCost& cost, const CpuDevice& cpu,
                                       const SpeedRequest& request, const catalog::ThroughputTable& table) {
  std::vector<DecodeShare> shares;
  double left = 1;
  for (const auto& gpu : request.gpus) {
    const GpuClass* constants = table.find_class(gpu.spec.class_id);
    if (constants == nullptr)
      return fail(ErrorCode::malformed,
                  "GPU \"" + gpu.spec.name + "\" has the unknown class \"" + gpu.spec.class_id + "\"",
                  "Run llmsize catalog validate.");
    const double part = std::clamp(gpu.layers_part, 0.0, left);
    if (part <= 0) continue;
    left -= part;
    const TokenCost whole = part_of(cost, part);
    shares.push_back({GpuDevice{&gpu.spec, constants, std::nullopt},
                      request.experts_on_cpu ? unrouted_part(whole) : whole});
    if (request.experts_on_cpu && cost.has_experts) shares.push_back({cpu, routed_part(whole)});
  }
  constexpr double rounding = 1e-9;
  if (left > rounding) shares.push_back({cpu, part_of(cost, left)});
  return shares;
}

bool uses_cpu(const std::vector<DecodeShare>& shares) {
  return std::any_of(shares.begin(), shares.end(), [](const DecodeShare& share) {
    return std::holds_alternative<CpuDevice>(share.device);
  });
}

/// Basis of the answer: nothing better than derived, since constants were fitted elsewhere.
void mark(std::optional<SpeedRange>& speed) {
  if (speed) speed->basis = Basis::derived;
}

/// What has to come from storage where the verdict says so.
std::optional<StorageReads> storage_reads(const EstimateReport& report, const Model& model, const Host& host,
                                          const SpeedRequest& request) {
  if (report.verdict.fit != Fit::pages_from_disk || !report.verdict.budget.known()) return std::nullopt;
  const auto weights = paged_weights(model, report.footprint, report.residency, *report.verdict.budget.value);
  const auto& h = model.hyperparameters;
  const std::int64_t count = h.expert_count(), used = request.experts_used.value_or(h.experts_used());
  const auto touched = [&](std::int64_t tokens) {
    if (count <= 0) return 1.0;
    return experts_touched(count, used, static_cast<int>(tokens - 1)) / static_cast<double>(count);
  };
  StorageReads reads;
  reads.rate = storage_rate(host, request.storage);
  reads.token = disk_reads(weights, touched(1));
  const std::int64_t batch = std::max<std::int64_t>(1, report.run.ubatch_tokens);
  const auto pass = disk_reads(weights, touched(batch));
  for (const auto part : {&DiskReads::low, &DiskReads::mid, &DiskReads::high})
    reads.prompt_token.*part = Bytes((pass.*part).value() / batch);
  return reads;
}

bool pages(const EstimateReport& report) {
  return report.storage && report.storage->token.any();
}

/// Speed-ups over a run that leaves most of its bandwidth unused say little.
void note_weak_baseline(const SpeedAnswer& answer, const Fact<BytesPerSecond>& bandwidth,
                        EstimateReport& report) {
  const double reached = static_cast<double>((answer.cost.weights + answer.cost.cache).value()) *
                         answer.decode->mid.per_second() / bandwidth.value->per_second();
  if (reached >= weak_baseline_efficiency) return;
  report.notes.push_back(fmt::format(
      "decoding would use {:.0f} % of the memory bandwidth, because its cores or its cache hold it back: "
      "factors over such a baseline say little",
      reached * 100));
}

using Constants = std::shared_ptr<const catalog::ThroughputTable>;

Result<Constants> constants_of(const Services& services, const SpeedRequest& request) {
  if (request.constants) return request.constants;
  auto table = catalog::load_throughput(services.catalog);
  if (!table) return tl::unexpected(table.error());
  return std::make_shared<const catalog::ThroughputTable>(std::move(*table));
}

/// What others gained with a model of this kind on a machine of this kind.
std::vector<AccelerationMethod> methods_for(const Model& model, const Footprint& footprint,
                                            const std::vector<AccelerationMethod>& all) {
  AccelerationSubject subject;
  subject.experts = model.hyperparameters.expert_count() > 0;
  subject.next_token_layers = model.hyperparameters.next_token_layer_count() > 0;
  subject.on_gpu =
      !footprint.devices.empty() &&
      footprint.offload.gpu_layers > static_cast<std::int64_t>(model.hyperparameters.layer_count());
  std::vector<AccelerationMethod> methods;
  std::copy_if(all.begin(), all.end(), std::back_inserter(methods),
               [&](const AccelerationMethod& method) { return applies(method, subject); });
  return methods;
}

}  // namespace

Result<void> check_cpu(const Services& services, const std::string& text) {
  const NamedCpu cpu = named_cpu(text);
  if (text.empty() || find_cpu(services, cpu.name)) return {};
  const auto near = services.catalog.similar("cpu", cpu.name);
  return fail(ErrorCode::usage, fmt::format("--cpu {}: the catalog has no such processor", text),
              near.empty() ? "llmsize catalog list cpu names all; --bandwidth GB/s needs no name."
                           : fmt::format("Similar: {}.", fmt::join(near, ", ")));
}

Fact<BytesPerSecond> memory_bandwidth(const Services& services, const Host& host,
                                      const SpeedRequest& request) {
  if (request.bandwidth) return overridden(*request.bandwidth, "--bandwidth");
  if (!request.cpu.empty()) return catalog_bandwidth(services, named_cpu(request.cpu));
  // What the user states beats what was measured, and that beats what the modules could do.
  if (host.memory.measured_bandwidth.known() && host.memory.bandwidth.basis != Basis::overridden)
    return host.memory.measured_bandwidth;
  if (host.memory.bandwidth.known()) return reached_bandwidth(host, host.memory.bandwidth);
  if (host.cpu.model.known())
    return reached_bandwidth(host, catalog_bandwidth(services, {1, *host.cpu.model.value}));
  return unknown<BytesPerSecond>(bandwidth_remedy);
}

Fact<BytesPerSecond> storage_rate(const Host& host, const std::optional<BytesPerSecond>& stated) {
  if (stated) return overridden(*stated, "--storage-speed");
  auto best = unknown<BytesPerSecond>(
      "how fast the storage reads is unknown: --storage-speed GB/s says it, llmsize probe --bench storage "
      "--save measures it");
  for (const auto& storage : host.storage)
    if (storage.read_rate.known() && (!best.known() || *best.value < *storage.read_rate.value))
      best = storage.read_rate;
  return best;
}

CpuDevice cpu_device(const Host& host, const SpeedRequest& request, Fact<BytesPerSecond> bandwidth,
                     const CpuConstants& constants) {
  CpuDevice device;
  device.bandwidth = std::move(bandwidth);
  device.packages =
      request.cpu.empty()
          ? static_cast<int>(std::ceil(host.cpu.packages.value_or(1) * reached_nodes(host).part()))
          : named_cpu(request.cpu).packages;
  device.threads = working_threads(host, request);
  device.core_kind = core_kind(host);
  device.constants = &constants;
  return device;
}

Result<SpeedAnswer> estimate_speed(const Services& services, const Model& model, const ContextLayout& context,
                                   const Run& run, const Host& host, const SpeedRequest& request,
                                   const std::optional<StorageReads>& storage, const Footprint* placed) {
  if (auto checked = check_cpu(services, request.cpu); !checked) return tl::unexpected(checked.error());
  const auto read = constants_of(services, request);
  if (!read) return tl::unexpected(read.error());
  const auto& table = *read;
  SpeedAnswer answer;
  answer.depth = std::clamp<std::int64_t>(request.depth.value_or(run.sequence_context), 0,
                                          std::max<std::int64_t>(0, run.sequence_context));
  answer.cost = token_cost(model, context, answer.depth, request.experts_used);

  const auto bandwidth = memory_bandwidth(services, host, request);
  const CpuDevice cpu = cpu_device(host, request, bandwidth, table->cpu);
  const bool split = placed != nullptr && !placed->devices.empty();
  auto by_device = split ? placed_shares(model, context, run, answer.depth, request, *placed, cpu, *table)
                         : PlacedShares{};
  const auto shares = split ? Result<std::vector<DecodeShare>>(std::move(by_device.shares))
                            : place(answer.cost, cpu, request, *table);
  if (!shares) return tl::unexpected(shares.error());
  const bool reads = storage && storage->token.any();
  if (!by_device.unknown_because.empty()) {
    answer.unknown_because = by_device.unknown_because;
  } else if (uses_cpu(*shares) && !bandwidth.known()) {
    answer.unknown_because = bandwidth.source;
  } else if (reads && !storage->rate.known()) {
    answer.unknown_because = storage->rate.source;
  } else {
    answer.decode = decode_speed(*shares, storage);
    if (!answer.decode) answer.unknown_because = "the model reads no weights that are known";
  }
  answer.prompt = prompt_speed(*shares, storage, by_device.copies);
  mark(answer.decode);
  mark(answer.prompt);
  return answer;
}

Result<void> fill_speed(const Services& services, const Model& model, const ContextLayout& context,
                        const Host& host, const SpeedRequest& request, EstimateReport& report) {
  const auto constants = constants_of(services, request);
  if (!constants) return tl::unexpected(constants.error());
  SpeedRequest asked = request;
  asked.constants = *constants;
  report.acceleration = methods_for(model, report.footprint, (*constants)->methods);
  report.storage = storage_reads(report, model, host, request);
  const auto answer =
      estimate_speed(services, model, context, report.run, host, asked, report.storage, &report.footprint);
  if (!answer) return tl::unexpected(answer.error());
  report.decode_speed = answer->decode;
  report.prompt_speed = answer->prompt;
  report.speed_unknown_because = answer->unknown_because;
  report.speed_depth = answer->depth;
  const auto& h = model.hyperparameters;
  if (h.expert_count() > 0)
    report.speed_experts = {std::min(request.experts_used.value_or(h.experts_used()), h.expert_count()),
                            h.expert_count()};
  const auto bandwidth = memory_bandwidth(services, host, request);
  if (report.decode_speed && report.footprint.devices.empty() && bandwidth.known() && !pages(report))
    note_weak_baseline(*answer, bandwidth, report);
  return {};
}

std::optional<TokensPerSecond> decode_speed_on_cpu(const TokenCost& cost, const CpuDevice& device) {
  const auto speed = decode_speed({{device, cost}});
  if (!speed) return std::nullopt;
  return speed->mid;
}

}  // namespace llmsize::app
