#include "llmsize/core/throughput.hpp"

#include <catch2/catch.hpp>

#include "llmsize/core/acceleration.hpp"

using namespace llmsize;

namespace {

constexpr TensorType q4_0{2, "q4_0", {32, 18}};

Tensor tensor(std::string name, std::array<std::int64_t, 4> dimensions, TensorType type) {
  Tensor result;
  result.name = std::move(name);
  result.dimensions = dimensions;
  result.type = type;
  return result;
}

/// Two layers, eight experts of which two are used, an output of its own and one next-token layer.
Model sparse_model() {
  Model model;
  model.hyperparameters.set("block_count", std::int64_t{3});
  model.hyperparameters.set("nextn_predict_layers", std::int64_t{1});
  model.hyperparameters.set("expert_count", std::int64_t{8});
  model.hyperparameters.set("expert_used_count", std::int64_t{2});
  model.tensors = {tensor("token_embd.weight", {64, 100, 1, 1}, tensor_type::f16),
                   tensor("output.weight", {64, 100, 1, 1}, tensor_type::f16),
                   tensor("blk.0.attn_q.weight", {64, 64, 1, 1}, q4_0),
                   tensor("blk.0.ffn_up_exps.weight", {64, 32, 8, 1}, q4_0),
                   tensor("blk.1.ffn_up_exps.weight", {64, 32, 8, 1}, q4_0),
                   tensor("blk.2.attn_q.weight", {64, 64, 1, 1}, q4_0)};
  return model;
}

GpuClass plain_class() {
  GpuClass c;
  c.id = "test";
  c.decode_efficiency = {0.5, 0.25};
  c.layer_seconds = {0, 0};
  c.decode_spread = {0.5, 2};
  c.prompt_efficiency = {0.5, 0.25};
  c.source = "a test";
  return c;
}

GpuSpec plain_gpu() {
  GpuSpec gpu;
  gpu.name = "Test GPU";
  gpu.bandwidth = BytesPerSecond(1e9);
  gpu.fp32_flops = 1e12;
  return gpu;
}

TokenCost megabyte() {
  TokenCost cost;
  cost.weights = cost.all_weights = Bytes(1'000'000);
  cost.active_params = ParamCount(2'000'000);
  cost.params_by_type = {{"q4_0", 2e6}};
  cost.layers = 10;
  return cost;
}

CpuConstants plain_cpu() {
  CpuConstants cpu;
  cpu.one_socket = {0.5, 0.4};
  cpu.two_sockets = {0.25, 0.2};
  cpu.of_measured_bandwidth = {1, 0.8};
  cpu.weights_per_second = {{"q4_0", 1e9}};
  cpu.other_weights_per_second = 5e8;
  cpu.plain_core_factor = 0.25;
  cpu.prompt_flops = {{CoreKind::avx2, 1e9}, {CoreKind::plain, 1e8}};
  cpu.source = "a test";
  return cpu;
}

}  // namespace

TEST_CASE("A token reads the used share of the experts, and no row look-ups or next-token layers") {
  const auto model = sparse_model();
  const auto cost = token_cost(model, {}, 0);
  // 64 x 64 weights of q4_0 are 2304 bytes, an expert of 64 x 32 is 1152, the output 12800.
  CHECK(cost.weights == Bytes(12'800 + 2304 + 2 * 2 * 1152));
  CHECK(cost.routed_weights == Bytes(2 * 2 * 1152));
  CHECK(cost.all_weights == Bytes(12'800 + 2304 + 2 * 8 * 1152));
  CHECK(cost.active_params == ParamCount(6400 + 4096 + 2 * 2 * 2048));
  CHECK(cost.layers == 2);
  CHECK(cost.has_experts);

  SECTION("--experts-used varies the share, within the experts there are") {
    CHECK(token_cost(model, {}, 0, 1).routed_weights == Bytes(2 * 1152));
    CHECK(token_cost(model, {}, 0, 99).routed_weights == Bytes(2 * 8 * 1152));
    CHECK(token_cost(model, {}, 0, -5).routed_weights == Bytes(2 * 1152));
  }
  SECTION("A tied embedding is multiplied, so it is read") {
    auto tied = model;
    tied.tensors.erase(tied.tensors.begin() + 1);
    CHECK(token_cost(tied, {}, 0).weights == cost.weights);
  }
}

TEST_CASE("The cache costs what stands before the token, up to its cells") {
  AttentionCache full;
  full.key_width = full.value_width = 64;
  full.cells = 1024;
  AttentionCache window = full;
  window.kind = AttentionCache::Kind::sliding_window;
  window.cells = 256;
  AttentionCache latent = full;
  latent.value_width = 0;
  const ContextLayout context = {{0, full}, {1, window}, {1, latent}};
  const auto model = sparse_model();
  // A cell is 64 keys and 64 values of two bytes; the latent one keys only.
  CHECK(token_cost(model, context, 0).cache == Bytes(0));
  CHECK(token_cost(model, context, 100).cache == Bytes(100 * 256 + 100 * 256 + 100 * 128));
  const auto deep = token_cost(model, context, 5000);
  CHECK(deep.cache == Bytes(1024 * 256 + 256 * 256 + 1024 * 128));
  CHECK(deep.latent_cache == Bytes(1024 * 128));
}

TEST_CASE("A GPU decodes at the efficient part of its bandwidth") {
  const auto constants = plain_class();
  const auto gpu = plain_gpu();
  auto cost = megabyte();
  // One megabyte at half of 1 GB/s takes 2 ms.
  const auto speed = decode_speed({{GpuDevice{&gpu, &constants, std::nullopt}, cost}});
  REQUIRE(speed);
  CHECK(speed->mid.per_second() == Approx(500));
  CHECK(speed->low.per_second() == Approx(250));
  CHECK(speed->high.per_second() == Approx(1000));
  // Two million weights, two operations each, at half of 1 TFLOPS.
  const auto prompt = prompt_speed({{GpuDevice{&gpu, &constants, std::nullopt}, cost}});
  REQUIRE(prompt);
  CHECK(prompt->mid.per_second() == Approx(125'000));

  SECTION("Experts are read less efficiently") {
    cost.has_experts = true;
    CHECK(decode_speed({{GpuDevice{&gpu, &constants, std::nullopt}, cost}})->mid.per_second() == Approx(250));
  }
  SECTION("Time per layer does not depend on bytes") {
    auto slow = constants;
    slow.layer_seconds = {200e-6, 0};  // Ten layers: 2 ms more.
    CHECK(decode_speed({{GpuDevice{&gpu, &slow, std::nullopt}, cost}})->mid.per_second() == Approx(250));
  }
  SECTION("A prompt's batch works on copies of the host's weights") {
    const auto processors = plain_cpu();
    CpuDevice cpu;
    cpu.constants = &processors;
    cost.all_weights = Bytes(4'000'000);
    const BusRate bus{BytesPerSecond(1e9), BytesPerSecond(2e9), BytesPerSecond(4e9), "a bus"};
    const HostWeightCopies copies{GpuDevice{&gpu, &constants, std::nullopt}, bus, 100};
    // 40 kB of copies a token take 20 µs, the work 8 µs.
    const auto copied = prompt_speed({{cpu, cost}}, std::nullopt, copies);
    REQUIRE(copied);
    CHECK(copied->mid.per_second() == Approx(1 / 28e-6));
    CHECK(copied->source == "the host's weights copied for each micro-batch, a bus");
  }
  SECTION("Without a compute rate the prompt's speed is unknown") {
    auto unrated = gpu;
    unrated.fp32_flops.reset();
    CHECK_FALSE(prompt_speed({{GpuDevice{&unrated, &constants, std::nullopt}, cost}}));
  }
}

TEST_CASE("A CPU decodes no faster than its memory or its cores allow") {
  const auto constants = plain_cpu();
  CpuDevice cpu;
  cpu.constants = &constants;
  const auto cost = megabyte();
  CHECK_FALSE(decode_speed({{cpu, cost}}));  // Unknown bandwidth is unknown speed, not zero.

  cpu.bandwidth = reported(BytesPerSecond(1e9), "memory modules");
  CHECK(decode_speed({{cpu, cost}})->mid.per_second() == Approx(500));
  cpu.packages = 2;
  CHECK(decode_speed({{cpu, cost}})->mid.per_second() == Approx(250));
  cpu.packages = 1;
  cpu.bandwidth = measured(BytesPerSecond(1e9), "a measurement");
  CHECK(decode_speed({{cpu, cost}})->mid.per_second() == Approx(1000));
  cpu.threads = 1;  // Two million weights at 1e9 per second and core: 2 ms.
  CHECK(decode_speed({{cpu, cost}})->mid.per_second() == Approx(500));
  cpu.core_kind = CoreKind::plain;
  CHECK(decode_speed({{cpu, cost}})->mid.per_second() == Approx(125));
  // Four million operations at 1e8 per second.
  CHECK(prompt_speed({{cpu, cost}})->mid.per_second() == Approx(25));
}

TEST_CASE("Devices work one after the other, and storage adds its time") {
  const auto gpu_constants = plain_class();
  const auto cpu_constants = plain_cpu();
  const auto gpu = plain_gpu();
  CpuDevice cpu;
  cpu.constants = &cpu_constants;
  cpu.bandwidth = reported(BytesPerSecond(1e8), "memory modules");
  const auto cost = megabyte();
  // Half on the GPU takes 1 ms, half on the CPU 10 ms.
  const std::vector<DecodeShare> split = {{GpuDevice{&gpu, &gpu_constants, std::nullopt}, part_of(cost, 0.5)},
                                          {cpu, part_of(cost, 0.5)}};
  CHECK(decode_speed(split)->mid.per_second() == Approx(1000.0 / 11));

  StorageReads storage;
  storage.token = {Bytes(250'000), Bytes(500'000), Bytes(1'000'000)};
  storage.prompt_token = {Bytes(0), Bytes(100'000), Bytes(200'000)};
  storage.rate = overridden(BytesPerSecond(1e8), "--storage-speed");
  const std::vector<DecodeShare> whole = {{GpuDevice{&gpu, &gpu_constants, std::nullopt}, cost}};
  const auto paged = decode_speed(whole, storage);
  REQUIRE(paged);
  // 2 ms (1 ms at best, 4 ms at worst) and 2.5 ms at best, 5 ms in the middle, 10 ms at half the rate at
  // worst.
  CHECK(paged->high.per_second() == Approx(1000 / 3.5));
  CHECK(paged->mid.per_second() == Approx(1000 / 7.0));
  CHECK(paged->low.per_second() == Approx(1000 / 24.0));
  // Four million operations at half of 1e12 a second are 8 us; 0.1 MB are 1 ms.
  CHECK(prompt_speed(whole, storage)->mid.per_second() == Approx(1000 / 1.008));
  storage.rate = unknown<BytesPerSecond>("nobody measured it");
  CHECK_FALSE(decode_speed(whole, storage));
  CHECK_FALSE(prompt_speed(whole, storage));
}

TEST_CASE("A dense model reads all of its weights again where they do not fit, for each token") {
  const auto weights = [](std::int64_t room) {
    return PagedWeights{Bytes(1000), Bytes(0), Bytes(room), Bytes(room)};
  };
  CHECK_FALSE(disk_reads(weights(1000), 1).any());
  const auto reads = disk_reads(weights(600), 1);
  CHECK(reads.low == Bytes(400));  // What fits could be kept.
  CHECK(reads.mid == Bytes(1000));
  CHECK(reads.high == Bytes(1000));
  // An empty prompt cache leaves more room, here for everything.
  CHECK(disk_reads({Bytes(1000), Bytes(0), Bytes(600), Bytes(1600)}, 1).low == Bytes(0));
}

TEST_CASE("Of experts that do not all fit, a token reads the part of its own that is not there") {
  // 100 for every token stay; of the experts' 1,000 another 500 fit, so half of a token's 200 are missing.
  const PagedWeights weights{Bytes(100), Bytes(1000), Bytes(600), Bytes(600)};
  const auto token = disk_reads(weights, 0.2);
  CHECK(token.mid == Bytes(100));
  CHECK(token.low == Bytes(50));
  CHECK(token.high == Bytes(200));
  // A batch that touches all experts walks all weights, as a dense model does.
  CHECK(disk_reads(weights, 1).mid == Bytes(1100));
  CHECK_FALSE(disk_reads({Bytes(100), Bytes(1000), Bytes(1100), Bytes(1100)}, 0.2).any());
}

TEST_CASE(
    "Only what the host uses in place pages: not looked-up rows, repacked originals or devices' layers") {
  const auto model = sparse_model();
  const Bytes layers = model.tensors[2].size(), experts = model.tensors[3].size() + model.tensors[4].size();
  Footprint f;
  f.file_backed = Bytes(1'000'000);
  f.high = Bytes(1'000'500);
  f.prompt_cache.high = Bytes(200);
  Residency residency;
  residency.repack = false;
  const auto all = paged_weights(model, f, residency, Bytes(900'500));
  CHECK(all.every_token == layers + model.tensors[1].size());
  CHECK(all.experts == experts);
  CHECK(all.room == Bytes(900'000));
  CHECK(all.room_when_idle == Bytes(900'200));
  residency.load_mode = LoadMode::none;
  CHECK(paged_weights(model, f, residency, Bytes(1)).experts == Bytes(0));
  residency = {};
  residency.isa = {"avx2"};  // Takes q4_0 matrices of rows in whole groups of eight; the output is f16.
  const auto repacked = paged_weights(model, f, residency, Bytes(900'500));
  CHECK(repacked.every_token == model.tensors[1].size());
  CHECK(repacked.experts == Bytes(0));
  f.devices.resize(1);
  f.offload.devices.resize(1);
  f.placement.layer_devices = {Placement::host, 0, 0};
  f.placement.output_device = 0;
  residency = {};
  const auto part = paged_weights(model, f, residency, Bytes(900'500));
  CHECK(part.every_token == layers);
  CHECK(part.experts == model.tensors[3].size());
}

TEST_CASE("Experts on the CPU leave the rest on the GPU") {
  const auto cost = token_cost(sparse_model(), {}, 0);
  CHECK(routed_part(cost).weights + unrouted_part(cost).weights == cost.weights);
  CHECK(routed_part(cost).cache == Bytes(0));
  CHECK(unrouted_part(cost).routed_weights == Bytes(0));
}

TEST_CASE("Speculative decoding pays by what it costs to verify and to draft") {
  // The geometric series: 1 + .8 + .64 = 2.44.
  CHECK(expected_tokens(0.8, 2) == Approx(2.44));
  CHECK(expected_tokens(1, 4) == Approx(5));
  CHECK(expected_tokens(0, 4) == Approx(1));
  CHECK(speculative_speed_up(0.8, 2, 1.1, 0.05) == Approx(2.44 / 1.2));
  // 8 of 128 experts: one token touches 8, two 15.5.
  CHECK(experts_touched(128, 8, 0) == Approx(8));
  CHECK(experts_touched(128, 8, 1) == Approx(15.5));
  CHECK(experts_touched(0, 8, 1) == Approx(0));
}
