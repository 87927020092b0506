#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "llmsize/core/cache.hpp"
#include "llmsize/core/estimate_report.hpp"
#include "llmsize/core/fact.hpp"
#include "llmsize/core/model.hpp"
#include "llmsize/core/paging.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

/// What one token of one sequence costs to decode (docs/METHOD.md, "Throughput").
struct TokenCost {
  Bytes weights;             ///< Weights read, routed experts by the share that is used.
  Bytes routed_weights;      ///< Part of `weights` that lies in routed experts.
  Bytes all_weights;         ///< Every weight that some token may read: `weights` with all experts.
  Bytes cache;               ///< Keys and values read at the depth.
  Bytes latent_cache;        ///< Part of `cache` in layers that keep keys only (MLA).
  ParamCount active_params;  ///< Weights multiplied per token.
  std::map<std::string, double> params_by_type;  ///< The same by tensor type name.
  int layers = 0;
  bool has_experts = false;
};

/// The embedding, which serves as output where a model has no other.
inline constexpr std::string_view tied_output = "token_embd.weight";
/// Whether a weight belongs to experts of which each token takes a few.
bool is_routed_expert(const Tensor& tensor);
/// The part of each of the model's weights that a token reads: 0 of what is looked up or left out, of routed
/// experts the share that is used. `experts_used` replaces the model's own number.
std::vector<double> read_parts(const Model& model, std::optional<std::int64_t> experts_used);

/// Cost of a token of `model` (final types) when `depth` tokens stand before it in its own sequence.
/// `experts_used` replaces the model's own number; it is cut to the number of experts there are.
/// A token_embd that another tensor serves as output is a look-up of one row and costs nothing.
TokenCost token_cost(const Model& model, const ContextLayout& context, std::int64_t depth,
                     std::optional<std::int64_t> experts_used = std::nullopt);

/// Which of several memories holds each weight and cache.
struct TokenPlaces {
  std::size_t count = 1;
  std::function<std::size_t(const Tensor&)> of_weight;
  std::function<std::size_t(const CachedLayer&)> of_cache;
};
/// The same for each memory; `layers` is that of the whole model in all of them.
std::vector<TokenCost> token_costs(const Model& model, const ContextLayout& context, std::int64_t depth,
                                   std::optional<std::int64_t> experts_used, const TokenPlaces& places);

/// A speed's spread around the middle, as factors.
struct Spread {
  double low = 1, high = 1;
};

/// Efficiencies that differ between dense models and models with experts.
struct Efficiency {
  double dense = 1, experts = 1;
  [[nodiscard]] double of(const TokenCost& cost) const { return cost.has_experts ? experts : dense; }
};

enum class Peak { fp32, fp16 };

/// Constants of one class of GPU, fitted to measurements (data/throughput.json).
struct GpuClass {
  std::string id;
  Efficiency decode_efficiency;    ///< Share of the memory bandwidth that decoding reaches.
  Efficiency layer_seconds;        ///< Time per layer that does not depend on bytes.
  double cache_factor = 1;         ///< A byte of cache costs this many bytes of weights.
  double latent_cache_factor = 1;  ///< The same in layers that keep keys only.
  Spread decode_spread;
  Peak prompt_peak = Peak::fp32;  ///< Which published rate `prompt_efficiency` refers to.
  Efficiency prompt_efficiency;
  Spread prompt_spread;
  std::string source;
};

/// A GPU as its maker describes it (data/gpus.json).
struct GpuSpec {
  std::string id;
  std::string name;
  std::string vendor;
  std::string class_id;  ///< A GpuClass.
  std::string backend;   ///< "cuda", "rocm", "metal", "vulkan".
  std::int64_t buffer_alignment = 32;
  std::optional<Bytes> memory;  ///< Unknown for GPUs that share system memory.
  BytesPerSecond bandwidth;
  std::optional<double> fp32_flops;  ///< Per second.
  std::optional<double> fp16_flops;  ///< Dense, matrix units where it has them.
  bool unified = false;
  std::string source;
};

/// What processors of different instruction sets reach per core.
enum class CoreKind { avx512, avx2, dot_product, plain };

/// Constants for processors, fitted to measurements (data/throughput.json).
struct CpuConstants {
  Efficiency one_socket, two_sockets;  ///< Share of the theoretical bandwidth.
  Efficiency of_measured_bandwidth;
  double layer_seconds = 0;
  double cache_factor = 1;
  Spread spread, two_socket_spread, measured_spread;
  std::map<std::string, double> weights_per_second;  ///< One core unpacking and multiplying, by tensor type.
  double other_weights_per_second = 0;
  double plain_core_factor = 1;             ///< Cores without wide or dot product instructions.
  std::map<CoreKind, double> prompt_flops;  ///< Per core and second.
  std::map<std::string, double> prompt_type_factor;
  Spread prompt_spread;
  std::string source;
};

/// A processor with its memory, as far as speed goes.
struct CpuDevice {
  Fact<BytesPerSecond> bandwidth;
  int packages = 1;
  std::optional<int> threads;  ///< Working threads; at most the physical cores that the process may use.
  CoreKind core_kind = CoreKind::avx2;
  const CpuConstants* constants = nullptr;
};

struct GpuDevice {
  const GpuSpec* spec = nullptr;
  const GpuClass* constants = nullptr;
  std::optional<BytesPerSecond> bandwidth;  ///< Instead of the specification's.
};

/// Where a share of a token's work is done.
struct DecodeShare {
  std::variant<CpuDevice, GpuDevice> device;
  TokenCost cost;
};

/// The way from the host's memory to a GPU.
struct BusRate {
  BytesPerSecond low, mid, high;
  std::string source;
};

/// A GPU that multiplies a prompt's batches with the host's weights itself, and copies them for each
/// (Device::takes_host_weights).
struct HostWeightCopies {
  GpuDevice device;
  BusRate bus;
  std::int64_t batch_tokens = 1;  ///< Tokens of a micro-batch.
};

/// `cost` scaled to `part` of the layers (0 to 1), for a split by layers.
TokenCost part_of(const TokenCost& cost, double part);
/// Only the routed experts of `cost` (for -ncmoe), or everything but them.
TokenCost routed_part(const TokenCost& cost);
TokenCost unrouted_part(const TokenCost& cost);

/// Decode speed of one sequence over devices that work one after the other. Nothing where a bandwidth, a
/// constant or (with `storage`) the storage's rate is unknown or zero.
std::optional<SpeedRange> decode_speed(const std::vector<DecodeShare>& shares,
                                       const std::optional<StorageReads>& storage = std::nullopt);

/// Speed of reading a prompt, long enough to fill its batches, over the same devices. Nothing where a compute
/// rate is unknown, or (with `storage`) the storage's. With `copies` a GPU does the processors' part.
std::optional<SpeedRange> prompt_speed(const std::vector<DecodeShare>& shares,
                                       const std::optional<StorageReads>& storage = std::nullopt,
                                       const std::optional<HostWeightCopies>& copies = std::nullopt);

}  // namespace llmsize
