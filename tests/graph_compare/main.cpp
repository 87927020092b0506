// Builds the graphs of small models and compares each, node by node, with the one the engine recorded.
//
// usage: graph_compare NAME...        NAME as in NAME.1.txt, for example llama-dense
//
// LLMSIZE_GRAPHS (default /tmp/graphs) is the folder with the unpacked recorded graphs, LLMSIZE_MODELS
// (default /tmp/models) the one with the models' shapes as tiny-NAME.txt: lines of a letter, a key and
// values. A: architecture; V: vocabulary; I, D, S: integer, real, text; L, F: lists of them; T: tensor with
// type number and four dimensions. Text, because not every recorded graph has a file header to go with it.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include <fmt/format.h>

#include "llmsize/catalog/architectures.hpp"
#include "llmsize/catalog/types.hpp"
#include "llmsize/core/graph.hpp"
#include "llmsize/core/model.hpp"
#include "support/recorded_graph.hpp"

using namespace llmsize;

namespace {

std::string folder(const char* variable, const char* otherwise) {
  const char* value = std::getenv(variable);
  return value == nullptr ? otherwise : value;
}

template <class T>
std::vector<T> rest_of(std::istream& line) {
  std::vector<T> values;
  for (T value; line >> value;) values.push_back(value);
  return values;
}

/// Sets a scalar where the line has one.
template <class T>
void set_scalar(Hyperparameters& hyper, const std::string& key, std::istream& line) {
  if (const auto values = rest_of<T>(line); !values.empty()) hyper.set(key, values.front());
}

void read_line(const std::string& text, const TypeTable& types, Model& model) {
  std::istringstream line(text);
  char kind = 0;
  std::string key;
  line >> kind >> key;
  auto& hyper = model.hyperparameters;
  if (kind == 'A') model.architecture = key;
  if (kind == 'V' && !hyper.has("vocab_size")) hyper.set("vocab_size", std::int64_t{std::stoll(key)});
  if (kind == 'I') set_scalar<std::int64_t>(hyper, key, line);
  if (kind == 'D') set_scalar<double>(hyper, key, line);
  if (kind == 'S') set_scalar<std::string>(hyper, key, line);
  if (kind == 'L') hyper.set(key, rest_of<std::int64_t>(line));
  if (kind == 'F') hyper.set(key, rest_of<double>(line));
  if (kind != 'T') return;
  const auto numbers = rest_of<std::int64_t>(line);
  const auto* type = types.find(static_cast<int>(numbers.at(0)));
  if (type == nullptr) return;
  model.tensors.push_back({key, {numbers.at(1), numbers.at(2), numbers.at(3), numbers.at(4)}, *type});
}

Model read_model(const std::string& path, const TypeTable& types) {
  Model model;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) read_line(line, types, model);
  return model;
}

std::string describe(const GraphTensor& t) {
  return fmt::format("{:<14} {:<24} type {} bytes {} [{}] strides [{}]{}{}", operation_name(t.operation),
                     t.name, t.type.id(), t.size, fmt::join(t.dimensions, " "), fmt::join(t.strides, " "),
                     t.output ? " output" : "", t.input ? " input" : "");
}

/// Two graphs side by side, up to the first node that differs.
class Comparison {
 public:
  Comparison(const TensorGraph& ours, const TensorGraph& engine) : ours_(ours), engine_(engine) {}

  /// Whether both are the same; prints the surroundings of the first difference.
  bool equal() {
    const std::size_t count = std::max(ours_.nodes.size(), engine_.nodes.size());
    for (std::size_t i = 0; i < count; ++i) {
      const auto difference =
          i < ours_.nodes.size() && i < engine_.nodes.size() ? difference_at(i) : "one graph ends";
      if (difference.empty()) continue;
      print(i, difference);
      return false;
    }
    return same_inputs();
  }

 private:
  static const GraphTensor& at(const TensorGraph& graph, TensorId id) {
    return graph.tensors[static_cast<std::size_t>(id)];
  }

  /// Sources that have a place in the graph; weights and caches do not matter to it.
  static std::vector<TensorId> placed_sources(const TensorGraph& graph, TensorId id) {
    std::vector<TensorId> sources;
    for (const TensorId source : at(graph, id).sources) {
      if (source == no_tensor) break;
      const TensorId origin = at(graph, source).view_origin;
      if (!at(graph, source).elsewhere && (origin == no_tensor || !at(graph, origin).elsewhere))
        sources.push_back(source);
    }
    return sources;
  }

  std::string difference_at(std::size_t i) {
    const auto& a = at(ours_, ours_.nodes[i]);
    const auto& b = at(engine_, engine_.nodes[i]);
    counterpart_[engine_.nodes[i]] = ours_.nodes[i];
    if (a.operation != b.operation) return "operation";
    if (!(a.type == b.type) || a.size != b.size) return "type or size";
    if (a.dimensions != b.dimensions) return "dimensions";
    if (a.strides != b.strides && b.operation != Operation::set_rows) return "strides";
    if (a.output != b.output) return "output flag";
    if ((a.view_origin == no_tensor) != (b.view_origin == no_tensor)) return "view";
    const auto ours = placed_sources(ours_, ours_.nodes[i]);
    const auto engine = placed_sources(engine_, engine_.nodes[i]);
    if (ours.size() != engine.size()) return "number of sources";
    for (std::size_t k = 0; k < ours.size(); ++k) {
      const auto known = counterpart_.emplace(engine[k], ours[k]).first;
      if (known->second != ours[k] || at(ours_, ours[k]).size != at(engine_, engine[k]).size)
        return fmt::format("source {}: {} instead of {}", k, describe(at(ours_, ours[k])),
                           describe(at(engine_, engine[k])));
    }
    return {};
  }

  void print(std::size_t i, const std::string& difference) const {
    fmt::print("  node {}: {}\n", i, difference);
    for (std::size_t j = i < 2 ? 0 : i - 2; j < i + 3; ++j) {
      const char mark = j == i ? '>' : ' ';
      if (j < engine_.nodes.size())
        fmt::print("  {} engine: {}\n", mark, describe(at(engine_, engine_.nodes[j])));
      if (j >= i && j < ours_.nodes.size())
        fmt::print("  {} ours:   {}\n", mark, describe(at(ours_, ours_.nodes[j])));
    }
  }

  static std::vector<std::int64_t> input_sizes(const TensorGraph& graph) {
    std::vector<std::int64_t> sizes;
    for (const TensorId leaf : graph.leafs)
      if (!at(graph, leaf).elsewhere) sizes.push_back(at(graph, leaf).size);
    return sizes;
  }

  bool same_inputs() const {
    const auto ours = input_sizes(ours_), engine = input_sizes(engine_);
    if (ours == engine) return true;
    fmt::print("  inputs: {} instead of {}\n", fmt::join(ours, " "), fmt::join(engine, " "));
    return false;
  }

  const TensorGraph& ours_;
  const TensorGraph& engine_;
  std::map<TensorId, TensorId> counterpart_;  // The engine's tensor -> ours.
};

/// The settings of the three graphs recorded per model.
RunRequest recorded_settings(int number) {
  RunRequest request;
  request.context_tokens = number == 3 ? 2048 : 1024;
  request.ubatch_tokens = number == 3 ? 256 : 128;
  request.parallel = number == 3 ? 4 : 1;
  request.kv_unified = true;
  request.flash_attention = number == 2 ? FlashAttention::off : FlashAttention::on;
  request.tool = number == 2 ? Tool::bench : Tool::server;
  request.swa_full = true;  // The default of the engine's library, with which the graphs were recorded.
  return request;
}

Result<bool> compare(const Model& model, const Architecture& architecture, const std::string& name,
                     int number) {
  const auto path = fmt::format("{}/{}.{}.txt", folder("LLMSIZE_GRAPHS", "/tmp/graphs"), name, number);
  const auto recorded = test::read_recorded_graph(test::read_text(path));
  auto request = recorded_settings(number);
  if (model.architecture == "grok") request.flash_attention = FlashAttention::automatic;  // Refuses "on".
  const auto run = resolve_run(request, model, architecture);
  if (!run) return tl::unexpected(run.error());
  const auto layout = context_layout(model, architecture, *run);
  if (!layout) return tl::unexpected(layout.error());
  const auto graph = prompt_graph(model, architecture, *run, *layout);
  if (!graph) return tl::unexpected(graph.error());
  const auto size = reserve(*graph).size.value();
  const bool equal = Comparison(*graph, recorded.graph).equal();
  fmt::print("{}.{}: {} engine {} ours {}{}\n", name, number, size == recorded.reserved ? "EXACT" : "WRONG",
             recorded.reserved, size, equal ? "" : " (nodes differ)");
  return equal && size == recorded.reserved;
}

}  // namespace

int main(int argc, char** argv) {
  const auto catalogs = catalog::Catalog::embedded();
  const auto types = *catalog::load_tensor_types(catalogs);
  int different = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const auto model = read_model(folder("LLMSIZE_MODELS", "/tmp/models") + "/tiny-" + name + ".txt", types);
    const auto architecture = catalog::load_architecture(catalogs, model.architecture);
    for (int number = 1; number <= 3; ++number) {
      const auto equal = architecture ? compare(model, *architecture, name, number)
                                      : Result<bool>(tl::unexpected(architecture.error()));
      if (!equal) fmt::print("{}.{}: {}\n", name, number, equal.error().message);
      if (!equal || !*equal) ++different;
      if (!equal || !*equal) break;
    }
  }
  return different == 0 ? 0 : 1;
}
