#include <benchmark/benchmark.h>

#include "llmsize/app/sizing.hpp"
#include "llmsize/catalog/types.hpp"
#include "llmsize/io/local_files.hpp"
#include "llmsize/io/process.hpp"

namespace {

using namespace llmsize;

/// One estimate of a catalog model, from its name to its bytes.
void size_catalog_model(benchmark::State& state, const char* model) {
  const io::LocalFiles files;
  const io::LocalWriter writer;
  const io::ProcessEnvironment environment;
  const auto catalog = catalog::Catalog::embedded();
  const auto types = catalog::load_tensor_types(catalog);
  const app::Services services{files, writer, environment, catalog, *types};
  app::SizingRequest request;
  request.model = model;
  request.quant = "Q4_K_M";
  for (auto _ : state) {
    auto sizing = app::size_model(services, request);
    if (!sizing) state.SkipWithError(sizing.error().message.c_str());
    benchmark::DoNotOptimize(sizing);
  }
}
BENCHMARK_CAPTURE(size_catalog_model, dense_7b, "qwen2.5-7b-instruct")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(size_catalog_model, experts_235b, "qwen3-235b-a22b")->Unit(benchmark::kMicrosecond);

}  // namespace
