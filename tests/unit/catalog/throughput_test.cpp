#include "llmsize/catalog/throughput.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace llmsize;

namespace {

/// One measurement of tests/data/throughput/measured_extract.csv, which names each row's public source.
struct Measurement {
  std::string hardware, gpu, bandwidth, packages, threads, quant;
  TokenCost cost;
  double speed = 0;
};

std::vector<Measurement> measurements() {
  std::ifstream in(LLMSIZE_SOURCE_DIR "/tests/data/throughput/measured_extract.csv");
  std::string line;
  std::getline(in, line);
  std::vector<Measurement> rows;
  while (std::getline(in, line)) {
    std::vector<std::string> cells;
    std::stringstream stream(line);
    for (std::string cell; std::getline(stream, cell, ',');) cells.push_back(cell);
    REQUIRE(cells.size() == 15);
    Measurement row;
    row.hardware = cells[1];
    row.gpu = cells[2];
    row.bandwidth = cells[3];
    row.packages = cells[4];
    row.threads = cells[5];
    row.quant = cells[7];
    row.speed = std::stod(cells[14]);
    row.cost.weights = row.cost.all_weights = Bytes(std::stoll(cells[8]));
    row.cost.active_params = ParamCount(std::stoll(cells[9]));
    row.cost.cache = Bytes(std::stoll(cells[10]));
    row.cost.latent_cache = Bytes(std::stoll(cells[11]));
    row.cost.layers = std::stoi(cells[12]);
    row.cost.has_experts = cells[13] == "1";
    // CPU rows say the tensor type after the file type: "Q4_K_M=q4_K".
    if (const auto at = row.quant.find('='); at != std::string::npos)
      row.cost.params_by_type[row.quant.substr(at + 1)] = std::stod(cells[9]);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::optional<SpeedRange> predicted(const Measurement& row, const catalog::ThroughputTable& table) {
  const auto embedded = catalog::Catalog::embedded();
  if (!row.gpu.empty()) {
    const auto gpu = catalog::load_gpu(embedded, row.gpu);
    REQUIRE(gpu);
    const GpuClass* constants = table.find_class(gpu->class_id);
    REQUIRE(constants != nullptr);
    return decode_speed({{GpuDevice{&*gpu, constants, std::nullopt}, row.cost}});
  }
  CpuDevice cpu;
  cpu.constants = &table.cpu;
  cpu.bandwidth = reported(BytesPerSecond(std::stod(row.bandwidth) * 1e9), "the source");
  cpu.packages = std::stoi(row.packages);
  if (!row.threads.empty()) cpu.threads = std::stoi(row.threads);
  return decode_speed({{cpu, row.cost}});
}

double median(std::vector<double> values) {
  REQUIRE_FALSE(values.empty());
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

catalog::EntryReference reference(std::string_view kind, std::string_view id) {
  catalog::EntryReference result;
  result.kind = kind;
  result.id = id;
  result.location.file = "mine.json";
  result.location.pointer = "/entries/0";
  return result;
}

}  // namespace

TEST_CASE("Every GPU of the catalog has a class with constants") {
  const auto embedded = catalog::Catalog::embedded();
  const auto table = catalog::load_throughput(embedded);
  REQUIRE(table);
  const auto references = embedded.list("gpu");
  CHECK(references.size() > 150);
  for (const auto& entry : references) {
    INFO(entry.id);
    const auto json = embedded.parse(entry);
    REQUIRE(json);
    const auto gpu = catalog::parse_gpu(entry, *json);
    REQUIRE(gpu);
    CHECK(table->find_class(gpu->class_id) != nullptr);
  }
}

TEST_CASE("GPUs are found by exact name only") {
  const auto embedded = catalog::Catalog::embedded();
  const auto found = [&](std::string_view name) {
    INFO(name);
    const auto gpu = catalog::load_gpu(embedded, name);
    REQUIRE(gpu);
    return *gpu;
  };
  // NVIDIA's product page: 24 GB, 1008 GB/s.
  const GpuSpec desktop = found("RTX 4090");
  CHECK(desktop.memory == gibibytes(24));
  CHECK(desktop.bandwidth.per_second() == Approx(1008e9));
  CHECK(desktop.buffer_alignment == 128);  // CUDA; the engine pads buffers to it.
  CHECK(found("NVIDIA GeForce RTX 4090").id == desktop.id);
  CHECK(found("geforce rtx 4090").id == desktop.id);
  CHECK(found("NVIDIA GeForce RTX 4090 Laptop GPU").memory == gibibytes(16));
  // 192 GB/s and 8 GB, nothing like an A100.
  CHECK(found("NVIDIA RTX A1000").bandwidth.per_second() == Approx(192e9));
  CHECK(found("A100").memory == gibibytes(80));
  CHECK(found("GB10").unified);
  const auto absent = catalog::load_gpu(embedded, "RTX 4095");
  REQUIRE_FALSE(absent);
  CHECK(absent.error().code == ErrorCode::not_found);
}

TEST_CASE("Broken GPU and throughput entries are refused by key") {
  const auto entry = reference("gpu", "mine");
  auto gpu = nlohmann::json{{"name", "Mine"},    {"vendor", "me"},      {"class", "cuda_ada"},
                            {"backend", "cuda"}, {"source", "the box"}, {"buffer_alignment", 128},
                            {"memory_gib", 8},   {"unified", false},    {"bandwidth_gb_per_second", 100}};
  REQUIRE(catalog::parse_gpu(entry, gpu));
  SECTION("bandwidth as text") {
    gpu["bandwidth_gb_per_second"] = "100";
  }
  SECTION("bandwidth below zero") {
    gpu["bandwidth_gb_per_second"] = -1;
  }
  SECTION("no memory on a card") {
    gpu.erase("memory_gib");
  }
  SECTION("no name") {
    gpu.erase("name");
  }
  const auto broken = catalog::parse_gpu(entry, gpu);
  REQUIRE_FALSE(broken);
  CHECK(broken.error().code == ErrorCode::malformed);
  CHECK(broken.error().message.find("mine.json") != std::string::npos);

  catalog::ThroughputTable table;
  CHECK_FALSE(catalog::parse_throughput(reference("throughput", "x"), {{"part", "magic"}}, table));
  CHECK_FALSE(catalog::parse_throughput(reference("throughput", "x"),
                                        {{"part", "gpu_class"}, {"source", "s"}, {"decode", 3}}, table));
}

TEST_CASE("Acceleration methods say what they were measured against") {
  const auto table = catalog::load_throughput(catalog::Catalog::embedded());
  REQUIRE(table);
  CHECK(table->methods.size() >= 8);
  bool lossy = false, weak = false;
  for (const auto& method : table->methods) {
    INFO(method.id);
    CHECK(method.low <= method.mid);
    CHECK(method.mid <= method.high);
    CHECK_FALSE(method.baseline.empty());
    lossy = lossy || method.lossy;
    weak = weak || method.weak_baseline;
  }
  CHECK(lossy);  // Reducing experts changes the answers.
  CHECK(weak);   // One published factor stands on a baseline at a ninth of its bandwidth.
}

TEST_CASE("Predictions stay near public measurements") {
  const auto table = catalog::load_throughput(catalog::Catalog::embedded());
  REQUIRE(table);
  std::vector<double> gpu_errors, cpu_errors;
  std::size_t inside = 0;
  const auto rows = measurements();
  REQUIRE(rows.size() > 40);
  for (const auto& row : rows) {
    INFO(row.hardware << " " << row.quant);
    const auto speed = predicted(row, *table);
    REQUIRE(speed);
    (row.gpu.empty() ? cpu_errors : gpu_errors).push_back(std::abs(speed->mid.per_second() / row.speed - 1));
    if (speed->low.per_second() <= row.speed && row.speed <= speed->high.per_second()) ++inside;
  }
  CHECK(median(gpu_errors) <= 0.10);
  CHECK(median(cpu_errors) <= 0.28);
  CHECK(inside * 10 >= rows.size() * 8);
}
