#include "support/recorded_graph.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

#include <unistd.h>

namespace llmsize::test {
namespace {

// Layout does not matter to the allocator, only equality of types does.
TensorType type_of(int id) {
  return TensorType(id, "recorded", {1, 1});
}

void read_head(std::istream& line, RecordedGraph& recorded, GraphTensor& tensor) {
  std::string name, operation;
  int type = 0, flags = 0, elsewhere = 0;
  TensorId origin = no_tensor;
  line >> name >> operation >> type >> tensor.size >> flags >> elsewhere >> origin;
  tensor.name = recorded.names.emplace_back(name);
  tensor.operation = operation_by_name(operation);
  if (operation_name(tensor.operation) != operation)
    throw std::runtime_error("unknown operation " + operation);
  tensor.type = type_of(type);
  tensor.input = (flags & 1) != 0;
  tensor.output = (flags & 2) != 0;
  tensor.elsewhere = elsewhere != 0;
  tensor.view_origin = origin;
}

void read_node(std::istream& line, GraphTensor& tensor) {
  std::string bar;
  line >> bar;
  for (auto& dimension : tensor.dimensions) line >> dimension;
  line >> bar;
  for (auto& stride : tensor.strides) line >> stride;
  line >> bar;
  std::size_t count = 0;
  for (TensorId source = 0; line >> source; ++count) tensor.sources.at(count) = source;
}

// Leafs are recorded without dimensions; one that has a node's type and size has its layout, too.
void infer_leaf_layouts(TensorGraph& graph) {
  for (const TensorId node : graph.nodes) {
    const auto& user = graph.tensors[static_cast<std::size_t>(node)];
    for (const TensorId source : user.sources) {
      if (source == no_tensor) break;
      auto& leaf = graph.tensors[static_cast<std::size_t>(source)];
      if (leaf.operation != Operation::none || !(leaf.type == user.type) || leaf.size != user.size) continue;
      leaf.dimensions = user.dimensions;
      leaf.strides = user.strides;
    }
  }
}

}  // namespace

RecordedGraph read_recorded_graph(const std::string& text) {
  RecordedGraph recorded;
  std::istringstream lines(text);
  for (std::string line_text; std::getline(lines, line_text);) {
    std::istringstream line(line_text);
    std::string kind;
    line >> kind;
    if (kind == "#") {
      line >> kind >> recorded.reserved;
      continue;
    }
    TensorId id = no_tensor;
    if (!(line >> id) || id < 0) throw std::runtime_error("no recorded graph: " + line_text);
    auto& graph = recorded.graph;
    graph.tensors.resize(std::max(graph.tensors.size(), static_cast<std::size_t>(id) + 1));
    auto& tensor = graph.tensors[static_cast<std::size_t>(id)];
    if (kind == "F") {
      graph.leafs.push_back(id);
      continue;
    }
    read_head(line, recorded, tensor);
    if (kind != "N") continue;
    read_node(line, tensor);
    graph.nodes.push_back(id);
  }
  infer_leaf_layouts(recorded.graph);
  return recorded;
}

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

namespace {

std::vector<std::filesystem::path> unpack_graphs() {
  const char* shared = std::getenv("LLMSIZE_SHARED");
  if (shared == nullptr) return {};
  const auto folder = std::filesystem::temp_directory_path() / ("llmsize-graphs-" + std::to_string(getuid()));
  std::filesystem::create_directories(folder);
  const std::string unpack = "tar --skip-old-files -xzf '" + std::string(shared) +
                             "/ground-truth/graphs.tar.gz' -C '" + folder.string() + "'";
  if (std::system(unpack.c_str()) != 0) throw std::runtime_error("cannot unpack the recorded graphs");
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

const std::vector<std::filesystem::path>& recorded_graph_files() {
  static const auto files = unpack_graphs();
  return files;
}

}  // namespace llmsize::test
