#include <benchmark/benchmark.h>

#include "llmsize/app/plan_command.hpp"
#include "llmsize/catalog/types.hpp"
#include "llmsize/io/local_files.hpp"
#include "llmsize/io/process.hpp"

namespace {

using namespace llmsize;

/// One plan of the default roles for a machine of so many GiB, from the catalogs to the JSON document.
void plan_machine(benchmark::State& state) {
  const io::LocalFiles files;
  const io::LocalWriter writer;
  const io::ProcessEnvironment environment;
  const auto catalog = catalog::Catalog::embedded();
  const auto types = catalog::load_tensor_types(catalog);
  const app::Services services{files, writer, environment, catalog, *types};
  app::PlanOptions options;
  options.ram = gibibytes(state.range(0));
  options.json = true;
  for (auto _ : state) {
    auto outcome = app::run_plan(services, {}, options);
    if (!outcome) state.SkipWithError(outcome.error().message.c_str());
    benchmark::DoNotOptimize(outcome);
  }
}
BENCHMARK(plan_machine)->Arg(64)->Arg(256)->Arg(1024)->Unit(benchmark::kMillisecond);

}  // namespace
