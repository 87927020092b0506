#include "llmsize/app/speed.hpp"

#include <catch2/catch.hpp>

#include "llmsize/catalog/types.hpp"
#include "support/closed_world.hpp"
#include "support/memory_files.hpp"

using namespace llmsize;

namespace {

/// A catalog with one processor of its own, so that the test does not depend on data/cpus.json.
struct World {
  World() : catalog(catalog::Catalog::embedded()) {
    files.add("/mine/cpus.json", R"({"kind": "cpu", "entries": [
        {"id": "test-cpu", "aliases": ["Test CPU 9000"], "memory_channels": 2,
         "mega_transfers_per_second": 6000, "source": "a test", "as_of": "2026-11"}]})");
    catalog.add_layer(files, "/mine");
  }
  test::MemoryFiles files;
  test::NoWriter writer;
  test::NoEnvironment environment;
  catalog::Catalog catalog;
  TypeTable types;
  app::Services services{files, writer, environment, catalog, types};
};

Model small_model() {
  Model model;
  model.hyperparameters.set("block_count", std::int64_t{1});
  Tensor weight;
  weight.name = "blk.0.ffn_up.weight";
  weight.dimensions = {4096, 8192, 1, 1};
  weight.type = TensorType(8, "q8_0", {32, 34});
  model.tensors = {weight};
  return model;
}

Run small_run() {
  Run run;
  run.sequence_context = 4096;
  return run;
}

}  // namespace

TEST_CASE("Memory bandwidth comes from the flag, the measurement, the modules, the catalog, or is unknown") {
  const World world;
  app::SpeedRequest request;
  Host host;
  const auto nothing = app::memory_bandwidth(world.services, host, request);
  CHECK_FALSE(nothing.known());
  CHECK(nothing.source.find("--bandwidth") != std::string::npos);

  host.cpu.model = reported<std::string>("Test CPU 9000", "/proc/cpuinfo");
  // Two channels of 8 bytes at 6000 million transfers: 96 GB/s.
  CHECK(app::memory_bandwidth(world.services, host, request).value->per_second() == Approx(96e9));
  host.memory.bandwidth = derived(BytesPerSecond(50e9), "memory modules");
  CHECK(app::memory_bandwidth(world.services, host, request).value->per_second() == Approx(50e9));
  request.cpu = "test-cpu";
  CHECK(app::memory_bandwidth(world.services, host, request).value->per_second() == Approx(96e9));
  request.bandwidth = BytesPerSecond(10e9);
  const auto given = app::memory_bandwidth(world.services, host, request);
  CHECK(given.value->per_second() == Approx(10e9));
  CHECK(given.basis == Basis::overridden);
}

TEST_CASE("A process bound to one of two NUMA nodes reads with that node's channels, as on one socket") {
  const World world;
  Host host;
  host.memory.bandwidth = derived(BytesPerSecond(200e9), "memory modules");
  host.cpu.packages = reported(2, "sysfs");
  host.numa = {NumaNode{}, NumaNode{}};
  for (int id = 0; id < 2; ++id) {
    auto& node = host.numa[static_cast<std::size_t>(id)];
    node.id = id;
    node.kind = derived(std::string("dram"), "");
    node.cpus = {2 * id, 2 * id + 1};
  }
  const app::SpeedRequest request;
  const CpuConstants constants;
  const auto sockets = [&] { return app::cpu_device(host, request, {}, constants).packages; };
  host.limits.allowed_cpus = measured(std::vector<int>{0, 1, 3}, "sched_getaffinity");
  CHECK(app::memory_bandwidth(world.services, host, request).value->per_second() == Approx(200e9));
  CHECK(sockets() == 2);
  host.limits.allowed_cpus = measured(std::vector<int>{2, 3}, "sched_getaffinity");
  const auto bound = app::memory_bandwidth(world.services, host, request);
  CHECK(bound.value->per_second() == Approx(100e9));
  CHECK(bound.source.find("1 of 2 NUMA nodes") != std::string::npos);
  CHECK(sockets() == 1);
  host.memory.bandwidth = overridden(BytesPerSecond(200e9), "--bandwidth");
  CHECK(app::memory_bandwidth(world.services, host, request).value->per_second() == Approx(200e9));
}

TEST_CASE("Speed is unknown, with the reason, where the bandwidth is") {
  const World world;
  const auto answer =
      app::estimate_speed(world.services, small_model(), {}, small_run(), Host{}, app::SpeedRequest{});
  REQUIRE(answer);
  CHECK_FALSE(answer->decode);
  CHECK_FALSE(answer->unknown_because.empty());
  CHECK(answer->depth == 4096);
}

TEST_CASE("A known GPU needs no host, and a split needs both") {
  const World world;
  app::SpeedRequest request;
  const auto gpu = catalog::load_gpu(world.catalog, "RTX 3090");
  REQUIRE(gpu);
  request.gpus = {{*gpu, 1}};
  const auto whole = app::estimate_speed(world.services, small_model(), {}, small_run(), Host{}, request);
  REQUIRE(whole);
  REQUIRE(whole->decode);
  CHECK(whole->prompt);
  CHECK(whole->decode->low < whole->decode->mid);
  CHECK(whole->decode->mid < whole->decode->high);

  request.gpus.front().layers_part = 0.5;
  CHECK_FALSE(app::estimate_speed(world.services, small_model(), {}, small_run(), Host{}, request)->decode);
  request.bandwidth = BytesPerSecond(50e9);
  const auto split = app::estimate_speed(world.services, small_model(), {}, small_run(), Host{}, request);
  REQUIRE(split);
  REQUIRE(split->decode);
  CHECK(split->decode->mid < whole->decode->mid);
}

TEST_CASE("Weights that do not fit are read at the storage's rate, if that is known") {
  const World world;
  EstimateReport report;
  report.run = small_run();
  report.verdict.fit = Fit::pages_from_disk;
  // Of 35.7 MB of weights 20 MB find room.
  report.footprint.high = report.footprint.file_backed = small_model().tensors.front().size();
  report.verdict.budget = overridden(Bytes(20'000'000), "--ram");
  report.residency.repack = false;
  app::SpeedRequest request;
  request.bandwidth = BytesPerSecond(50e9);
  request.threads = 8;
  Host host;
  REQUIRE(app::fill_speed(world.services, small_model(), {}, host, request, report));
  CHECK_FALSE(report.decode_speed);
  CHECK_FALSE(report.prompt_speed);
  CHECK(report.speed_unknown_because.find("--storage-speed") != std::string::npos);

  StorageFacts disk;
  disk.read_rate = measured(BytesPerSecond(1e9), "a test");
  host.storage = {disk};
  REQUIRE(app::fill_speed(world.services, small_model(), {}, host, request, report));
  REQUIRE(report.decode_speed);
  // All 35.7 MB per token at 1 GB/s, or at best the 15.7 MB that find no room.
  CHECK(report.decode_speed->mid.per_second() < 1000 / 35.6);
  CHECK(report.decode_speed->high.per_second() < 1000 / 15.6);
  CHECK(report.decode_speed->high.per_second() > 1000 / 35.6);
  // A batch of a prompt shares them.
  REQUIRE(report.prompt_speed);
  CHECK(report.prompt_speed->mid > report.decode_speed->mid);

  request.storage = BytesPerSecond(2e9);
  REQUIRE(app::fill_speed(world.services, small_model(), {}, host, request, report));
  CHECK(report.storage->rate.basis == Basis::overridden);
  CHECK(report.decode_speed->mid.per_second() > 1000 / 35.6);

  report.verdict.budget = overridden(Bytes(40'000'000), "--ram");
  REQUIRE(app::fill_speed(world.services, small_model(), {}, Host{}, request, report));
  CHECK_FALSE(report.storage->token.any());
  CHECK(report.decode_speed);
}
