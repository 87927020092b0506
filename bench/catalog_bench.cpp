#include <benchmark/benchmark.h>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/catalog.hpp"
#include "llmsize/catalog/types.hpp"

namespace {

using llmsize::catalog::Catalog;

/// What every command pays: opening the embedded catalogs and reading the tensor types.
void open_catalog(benchmark::State& state) {
  for (auto _ : state) {
    const auto catalog = Catalog::embedded();
    auto types = llmsize::catalog::load_tensor_types(catalog);
    benchmark::DoNotOptimize(types);
  }
}
BENCHMARK(open_catalog);

/// What reading everything would cost, and the index saves.
void parse_every_model(benchmark::State& state) {
  const auto catalog = Catalog::embedded();
  for (auto _ : state)
    for (const auto& entry : catalog.list("model")) benchmark::DoNotOptimize(catalog.parse(entry));
}
BENCHMARK(parse_every_model)->Unit(benchmark::kMillisecond);

void find_by_alias(benchmark::State& state) {
  const auto catalog = Catalog::embedded();
  for (auto _ : state) benchmark::DoNotOptimize(catalog.find_by_name("model", "Qwen3-235B-A22B"));
}
BENCHMARK(find_by_alias)->Unit(benchmark::kMicrosecond);

}  // namespace
