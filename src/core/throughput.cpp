#include "llmsize/core/throughput.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace llmsize {
namespace {

/// A multiplication and an addition per weight.
constexpr double operations_per_weight = 2;

/// Tensors of which a token reads one row, whatever the model.
constexpr std::array<std::string_view, 4> looked_up = {"per_layer_token_embd.weight", "position_embd.weight",
                                                       "token_types.weight", "rope_freqs.weight"};

double share_of_experts(const Hyperparameters& h, std::optional<std::int64_t> asked) {
  const std::int64_t count = h.expert_count();
  if (count <= 0) return 1;
  const std::int64_t used = std::clamp<std::int64_t>(asked.value_or(h.experts_used()), 1, count);
  return static_cast<double>(used) / static_cast<double>(count);
}

double in_bytes(Bytes size) {
  return static_cast<double>(size.value());
}

struct CacheReader {
  TokenCost& cost;
  std::int64_t depth;

  void operator()(const AttentionCache& cache) const {
    const std::int64_t per_cell = std::max<std::int64_t>(1, cache.tokens_per_cell);
    const std::int64_t cells = std::min(cache.cells, depth / per_cell + (depth % per_cell != 0 ? 1 : 0));
    const auto row = [](std::int64_t width, const TensorType& type) {
      return static_cast<double>(width) * type.bits_per_weight() / 8;
    };
    const double read = static_cast<double>(std::max<std::int64_t>(0, cells)) *
                        (row(cache.key_width, cache.key_type) + row(cache.value_width, cache.value_type));
    const Bytes size(std::llround(std::min(read, static_cast<double>(Bytes::highest) / 2)));
    cost.cache += size;
    if (cache.value_width == 0 && cache.kind == AttentionCache::Kind::full) cost.latent_cache += size;
  }
  void operator()(const RecurrentState& state) const {
    // Read and written once per token; F32.
    constexpr std::int64_t bytes_moved = 2 * 4;
    cost.cache += Bytes(saturating_multiply(state.shift_width + state.state_width, bytes_moved));
  }
};

/// Adds up what a token reads of one memory.
struct CostMeter {
  struct OfType {
    TensorType type;
    double params = 0;
  };
  TokenCost cost;
  double params = 0;
  std::vector<OfType> types;  ///< A handful: going through them costs less than looking names up.

  void read(const Tensor& tensor, double part) {
    const Bytes size = scaled_to_nearest(tensor.size(), part);
    cost.weights += size;
    cost.all_weights += tensor.size();
    if (is_routed_expert(tensor)) {
      cost.routed_weights += size;
      cost.has_experts = true;
    }
    const double multiplied = static_cast<double>(tensor.elements()) * part;
    params += multiplied;
    auto known =
        std::find_if(types.begin(), types.end(), [&](const OfType& t) { return t.type == tensor.type; });
    if (known == types.end()) known = types.insert(types.end(), {tensor.type, 0});
    known->params += multiplied;
  }

  TokenCost finished() {
    cost.active_params =
        ParamCount(std::llround(std::min(params, static_cast<double>(ParamCount::highest) / 2)));
    for (const auto& of_type : types) cost.params_by_type[std::string(of_type.type.name())] += of_type.params;
    return std::move(cost);
  }
};

/// Low, middle and high time of a share; not finite where something is unknown.
struct Seconds {
  double low = 0, mid = 0, high = 0;
};

constexpr Seconds unknown_time{NAN, NAN, NAN};

Seconds spread_out(double mid, Spread speed) {
  return {mid / speed.high, mid, mid / speed.low};
}

Seconds decode_seconds(const CpuDevice& device, const TokenCost& cost) {
  if (device.constants == nullptr || !device.bandwidth.known() || device.bandwidth.value->per_second() <= 0)
    return unknown_time;
  const CpuConstants& c = *device.constants;
  const bool measured = device.bandwidth.basis == Basis::measured;
  const bool several = device.packages > 1;
  const Efficiency& efficiency = measured ? c.of_measured_bandwidth : several ? c.two_sockets : c.one_socket;
  const double bytes = in_bytes(cost.weights) + in_bytes(cost.cache) * c.cache_factor;
  const double memory_time = bytes / (efficiency.of(cost) * device.bandwidth.value->per_second());

  double core_time = 0;
  if (device.threads && *device.threads > 0) {
    const double cores = *device.threads * (device.core_kind == CoreKind::plain ? c.plain_core_factor : 1);
    for (const auto& [type, params] : cost.params_by_type) {
      const auto rate = c.weights_per_second.find(type);
      core_time +=
          params / (cores * (rate == c.weights_per_second.end() ? c.other_weights_per_second : rate->second));
    }
  }
  const double mid = std::max(memory_time, core_time) + cost.layers * c.layer_seconds;
  return spread_out(mid, measured ? c.measured_spread : several ? c.two_socket_spread : c.spread);
}

Seconds decode_seconds(const GpuDevice& device, const TokenCost& cost) {
  if (device.spec == nullptr || device.constants == nullptr) return unknown_time;
  const GpuClass& c = *device.constants;
  const double bandwidth = device.bandwidth.value_or(device.spec->bandwidth).per_second();
  if (bandwidth <= 0) return unknown_time;
  const double bytes = in_bytes(cost.weights) + in_bytes(cost.cache - cost.latent_cache) * c.cache_factor +
                       in_bytes(cost.latent_cache) * c.latent_cache_factor;
  const double mid =
      bytes / (c.decode_efficiency.of(cost) * bandwidth) + cost.layers * c.layer_seconds.of(cost);
  return spread_out(mid, c.decode_spread);
}

/// Pages of a mapped file come in as they are touched, which is slower than the large reads that a benchmark
/// makes; by how much depends on the drive and the kernel, so the slow end has it at half: assumed.
constexpr double slowest_share_of_rate = 0.5;

void add_reads(Seconds& total, std::string& source, const DiskReads& reads,
               const Fact<BytesPerSecond>& rate) {
  if (!reads.any()) return;
  if (!rate.known() || rate.value->per_second() <= 0) {
    total = unknown_time;
    return;
  }
  const double bytes_per_second = rate.value->per_second();
  total.low += in_bytes(reads.low) / bytes_per_second;
  total.mid += in_bytes(reads.mid) / bytes_per_second;
  total.high += in_bytes(reads.high) / (bytes_per_second * slowest_share_of_rate);
  source += "; weights that find no room from storage, " + rate.source;
}

std::optional<SpeedRange> as_speed(const Seconds& time, const std::string& source) {
  if (!std::isfinite(time.low) || !std::isfinite(time.high) || time.low <= 0) return std::nullopt;
  SpeedRange speed;
  speed.low = TokensPerSecond(1 / time.high);
  speed.mid = TokensPerSecond(1 / time.mid);
  speed.high = TokensPerSecond(1 / time.low);
  speed.source = source;
  return speed;
}

std::string source_of(const DecodeShare& share) {
  if (const auto* gpu = std::get_if<GpuDevice>(&share.device))
    return gpu->constants == nullptr ? "" : gpu->spec->name + ", " + gpu->constants->source;
  const auto& cpu = std::get<CpuDevice>(share.device);
  return cpu.constants == nullptr ? "" : "CPU, " + cpu.bandwidth.source + ", " + cpu.constants->source;
}

Seconds prompt_seconds(const CpuDevice& device, const TokenCost& cost) {
  if (device.constants == nullptr || !device.threads || *device.threads <= 0) return unknown_time;
  const CpuConstants& c = *device.constants;
  const auto flops = c.prompt_flops.find(device.core_kind);
  if (flops == c.prompt_flops.end()) return unknown_time;
  double mid = 0;
  for (const auto& [type, params] : cost.params_by_type) {
    const auto factor = c.prompt_type_factor.find(type);
    const double rate = flops->second * (factor == c.prompt_type_factor.end() ? 1 : factor->second);
    mid += operations_per_weight * params / (*device.threads * rate);
  }
  return spread_out(mid, c.prompt_spread);
}

Seconds prompt_seconds(const GpuDevice& device, const TokenCost& cost) {
  if (device.spec == nullptr || device.constants == nullptr) return unknown_time;
  const GpuClass& c = *device.constants;
  const auto peak = c.prompt_peak == Peak::fp32 ? device.spec->fp32_flops : device.spec->fp16_flops;
  if (!peak || *peak <= 0) return unknown_time;
  return spread_out(operations_per_weight * static_cast<double>(cost.active_params.value()) /
                        (c.prompt_efficiency.of(cost) * *peak),
                    c.prompt_spread);
}

/// The device's own work, and its part of a batch's copies: all weights, because a batch finds nearly all
/// experts among its tokens' choices.
Seconds prompt_seconds(const HostWeightCopies& copies, const TokenCost& cost) {
  const Seconds work = prompt_seconds(copies.device, cost);
  const double bytes = in_bytes(cost.all_weights) / static_cast<double>(copies.batch_tokens);
  return {work.low + bytes / copies.bus.high.per_second(), work.mid + bytes / copies.bus.mid.per_second(),
          work.high + bytes / copies.bus.low.per_second()};
}

void add(Seconds& total, std::string& source, const Seconds& time, const std::string& source_of_time) {
  total = {total.low + time.low, total.mid + time.mid, total.high + time.high};
  source += (source.empty() ? "" : "; ") + source_of_time;
}

}  // namespace

bool is_routed_expert(const Tensor& tensor) {
  constexpr std::string_view ends[] = {"_exps.", "_chexps."};
  return std::any_of(std::begin(ends), std::end(ends),
                     [&](std::string_view end) { return tensor.name.find(end) != std::string::npos; });
}

std::vector<double> read_parts(const Model& model, std::optional<std::int64_t> experts_used) {
  const auto& h = model.hyperparameters;
  const double routed_share = share_of_experts(h, experts_used);
  const bool embeddings_are_output = model.find_tensor("output.weight") == nullptr;
  const int layers = h.main_layer_count();
  std::vector<double> parts;
  parts.reserve(model.tensors.size());
  for (const auto& tensor : model.tensors) {
    const int layer = layer_of(tensor.name);
    const bool outside = layer < 0;
    // Next-token layers draft; the main pass skips them.
    const bool skipped =
        outside ? (tensor.name == tied_output && !embeddings_are_output) ||
                      std::find(looked_up.begin(), looked_up.end(), tensor.name) != looked_up.end()
                : layer >= layers;
    parts.push_back(skipped ? 0 : !outside && is_routed_expert(tensor) ? routed_share : 1);
  }
  return parts;
}

std::vector<TokenCost> token_costs(const Model& model, const ContextLayout& context, std::int64_t depth,
                                   std::optional<std::int64_t> experts_used, const TokenPlaces& places) {
  std::vector<CostMeter> meters(places.count);
  const auto parts = read_parts(model, experts_used);
  for (std::size_t i = 0; i < model.tensors.size(); ++i) {
    if (parts[i] <= 0) continue;
    const auto& tensor = model.tensors[i];
    meters[places.count == 1 ? 0 : places.of_weight(tensor)].read(tensor, parts[i]);
  }
  for (const auto& entry : context) {
    auto& meter = meters[places.count == 1 ? 0 : places.of_cache(entry)];
    std::visit(CacheReader{meter.cost, std::max<std::int64_t>(0, depth)}, entry.memory);
  }
  std::vector<TokenCost> costs;
  costs.reserve(meters.size());
  for (auto& meter : meters) {
    meter.cost.layers = model.hyperparameters.main_layer_count();
    costs.push_back(meter.finished());
  }
  return costs;
}

TokenCost token_cost(const Model& model, const ContextLayout& context, std::int64_t depth,
                     std::optional<std::int64_t> experts_used) {
  return token_costs(model, context, depth, experts_used, {}).front();
}

TokenCost part_of(const TokenCost& cost, double part) {
  TokenCost scaled_cost = cost;
  scaled_cost.weights = scaled_to_nearest(cost.weights, part);
  scaled_cost.routed_weights = scaled_to_nearest(cost.routed_weights, part);
  scaled_cost.all_weights = scaled_to_nearest(cost.all_weights, part);
  scaled_cost.cache = scaled_to_nearest(cost.cache, part);
  scaled_cost.latent_cache = scaled_to_nearest(cost.latent_cache, part);
  scaled_cost.active_params =
      ParamCount(std::llround(static_cast<double>(cost.active_params.value()) * part));
  for (auto& [type, params] : scaled_cost.params_by_type) params *= part;
  scaled_cost.layers = static_cast<int>(std::lround(cost.layers * part));
  return scaled_cost;
}

TokenCost routed_part(const TokenCost& cost) {
  const double share = cost.weights.value() > 0 ? in_bytes(cost.routed_weights) / in_bytes(cost.weights) : 0;
  TokenCost routed = part_of(cost, share);
  routed.cache = routed.latent_cache = Bytes(0);
  routed.weights = routed.routed_weights = cost.routed_weights;
  routed.layers = cost.layers;
  return routed;
}

TokenCost unrouted_part(const TokenCost& cost) {
  const double share =
      cost.weights.value() > 0 ? 1 - in_bytes(cost.routed_weights) / in_bytes(cost.weights) : 1;
  TokenCost rest = part_of(cost, share);
  rest.weights = cost.weights - cost.routed_weights;
  rest.routed_weights = Bytes(0);
  rest.cache = cost.cache;
  rest.latent_cache = cost.latent_cache;
  rest.layers = cost.layers;
  return rest;
}

std::optional<SpeedRange> decode_speed(const std::vector<DecodeShare>& shares,
                                       const std::optional<StorageReads>& storage) {
  Seconds total;
  std::string source;
  for (const auto& share : shares) {
    add(total, source,
        std::visit([&](const auto& device) { return decode_seconds(device, share.cost); }, share.device),
        source_of(share));
  }
  if (storage) add_reads(total, source, storage->token, storage->rate);
  return as_speed(total, source);
}

std::optional<SpeedRange> prompt_speed(const std::vector<DecodeShare>& shares,
                                       const std::optional<StorageReads>& storage,
                                       const std::optional<HostWeightCopies>& copies) {
  Seconds total;
  std::string source;
  for (const auto& share : shares) {
    if (copies && std::holds_alternative<CpuDevice>(share.device)) {
      add(total, source, prompt_seconds(*copies, share.cost),
          "the host's weights copied for each micro-batch, " + copies->bus.source);
      continue;
    }
    add(total, source,
        std::visit([&](const auto& device) { return prompt_seconds(device, share.cost); }, share.device),
        source_of(share));
  }
  if (storage) add_reads(total, source, storage->prompt_token, storage->rate);
  return as_speed(total, source);
}

}  // namespace llmsize
