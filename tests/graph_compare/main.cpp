// Builds the graphs of small models and compares each, node by node, with the one the engine recorded.
//
// usage: graph_compare [NAME...]        NAME as in NAME.1.txt, for example llama-dense; without one, all
//
// LLMSIZE_SHARED names the folder with the recorded graphs and headers. Prints per model what its
// architecture's entry has (tensor templates, cache rule, graph blocks) and where a graph first differs.
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "llmsize/catalog/architectures.hpp"
#include "llmsize/catalog/types.hpp"
#include "llmsize/core/graph.hpp"
#include "support/graph_comparison.hpp"
#include "support/small_model.hpp"

using namespace llmsize;

namespace {

Result<bool> compare(const Model& model, const Architecture& architecture, const std::string& name,
                     int number) {
  const auto recorded = test::recorded_graph(name, number);
  const auto run = resolve_run(test::recorded_settings(model.architecture, number), model, architecture);
  if (!run) return tl::unexpected(run.error());
  const auto layout = context_layout(model, architecture, *run);
  if (!layout) return tl::unexpected(layout.error());
  const auto graph = prompt_graph(model, architecture, *run, *layout);
  if (!graph) return tl::unexpected(graph.error());
  const auto size = reserve(*graph).size.value();
  const auto difference = test::first_difference(*graph, recorded.graph);
  const bool exact = size == recorded.reserved;
  fmt::print("{}{}.{}: {} engine {} ours {}{}\n", difference, name, number, exact ? "EXACT" : "WRONG",
             recorded.reserved, size, difference.empty() ? "" : " (graphs differ)");
  return exact && difference.empty();
}

/// Whether all three graphs of a model are the engine's.
bool compare_all(const catalog::Catalog& catalogs, const TypeTable& types, const std::string& name) {
  const auto model = test::small_model(name, types);
  const auto architecture = catalog::load_architecture(catalogs, model.architecture);
  if (!architecture) {
    fmt::print("{}: {}\n", name, architecture.error().message);
    return false;
  }
  fmt::print(
      "{}: {} templates, {}, {} blocks\n", name, architecture->tensors.size(),
      std::holds_alternative<UnknownCacheRule>(architecture->cache.kind) ? "no cache rule" : "a cache rule",
      architecture->graph.layer.size());
  for (int number = 1; number <= 3; ++number) {
    const auto equal = compare(model, *architecture, name, number);
    if (!equal) fmt::print("{}.{}: {}\n", name, number, equal.error().message);
    if (!equal || !*equal) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) try {
  const auto catalogs = catalog::Catalog::embedded();
  const auto types = *catalog::load_tensor_types(catalogs);
  std::vector<std::string> names(argv + 1, argv + argc), different;
  if (names.empty()) names = test::small_model_names();
  for (const auto& name : names) try {
      if (!compare_all(catalogs, types, name)) different.push_back(name);
    } catch (const std::exception& error) {
      fmt::print("{}: {}\n", name, error.what());
      different.push_back(name);
    }
  fmt::print("{} of {} models are equal; not: {}\n", names.size() - different.size(), names.size(),
             fmt::join(different, " "));
  return different.empty() ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "graph_compare: %s\n", error.what());
  return 1;
}
