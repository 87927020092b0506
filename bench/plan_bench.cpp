#include <benchmark/benchmark.h>

#include "llmsize/app/plan_command.hpp"
#include "world.hpp"

namespace {

using namespace llmsize;

/// One plan of the default roles for a machine of so many GiB, from the catalogs to the JSON document.
void plan_machine(benchmark::State& state) {
  const bench::World world;
  app::PlanOptions options;
  options.ram = gibibytes(state.range(0));
  options.json = true;
  for (auto _ : state) {
    auto outcome = app::run_plan(world.services, {}, options);
    if (!outcome) state.SkipWithError(outcome.error().message.c_str());
    benchmark::DoNotOptimize(outcome);
  }
}
BENCHMARK(plan_machine)->Arg(64)->Arg(256)->Arg(1024)->Unit(benchmark::kMillisecond);

}  // namespace
