#include <benchmark/benchmark.h>

#include "llmsize/app/sizer.hpp"
#include "llmsize/app/sizing.hpp"
#include "world.hpp"

namespace {

using namespace llmsize;

/// One estimate of a catalog model, from its name to its bytes.
void size_catalog_model(benchmark::State& state, const char* model) {
  const bench::World world;
  app::SizingRequest request;
  request.model = model;
  request.quant = "Q4_K_M";
  for (auto _ : state) {
    auto sizing = app::size_model(world.services, request);
    if (!sizing) state.SkipWithError(sizing.error().message.c_str());
    benchmark::DoNotOptimize(sizing);
  }
}
BENCHMARK_CAPTURE(size_catalog_model, dense_7b, "qwen2.5-7b-instruct")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(size_catalog_model, experts_235b, "qwen3-235b-a22b")->Unit(benchmark::kMicrosecond);

/// 100,000 estimates over 120 questions, as a sweep asks them: four models, five quants, six contexts.
void size_repeatedly(benchmark::State& state) {
  const bench::World world;
  std::vector<app::SizingRequest> requests;
  for (const char* model : {"qwen2.5-7b-instruct", "qwen3-32b", "qwen3-30b-a3b", "gemma-3-12b-it"})
    for (const char* quant : {"Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0"})
      for (const std::int64_t context : {2048, 4096, 8192, 16384, 32768, 65536}) {
        app::SizingRequest& request = requests.emplace_back();
        request.model = model;
        request.quant = quant;
        request.run.context_tokens = context;
      }
  constexpr std::size_t estimates = 100'000;
  for (auto _ : state) {
    app::Sizer sizer(world.services);
    for (std::size_t i = 0; i < estimates; ++i) {
      const auto sizing = sizer.size(requests[i % requests.size()]);
      if (!sizing) state.SkipWithError(sizing.error().message.c_str());
      benchmark::DoNotOptimize(sizing);
    }
  }
}
BENCHMARK(size_repeatedly)->Unit(benchmark::kMillisecond);

}  // namespace
