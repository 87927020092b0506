#include "support/small_model.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/hyperparameters.hpp"
#include "llmsize/core/graph_builder.hpp"
#include "llmsize/gguf/reader.hpp"
#include "support/ground_truth.hpp"
#include "support/sparse_files.hpp"

namespace llmsize::test {
namespace {

const nlohmann::json& descriptions() {
  static const auto document =
      nlohmann::json::parse(read_text(LLMSIZE_SOURCE_DIR "/tests/data/small_models.json"));
  return document;
}

Hyperparameters hyperparameters(const nlohmann::json& section) {
  auto values = catalog::read_hyperparameters(section);
  if (!values) throw std::runtime_error("tests/data/small_models.json: " + values.error().message);
  return *std::move(values);
}

void merge(Hyperparameters& into, const nlohmann::json& section, const std::string& prefix = "") {
  const auto values = hyperparameters(section);
  for (const auto& [key, value] : values.all()) into.set(prefix + key, value);
}

/// The shape of a tensor of `elements` that a node of these dimensions adds or multiplies with.
Dimensions shape_of_operand(std::int64_t elements, const Dimensions& node) {
  Dimensions shape{1, 1, 1, 1};
  for (std::size_t axis = 0; axis < 4 && elements > 1; ++axis) {
    if (elements % node[axis] != 0) continue;
    shape[axis] = node[axis];
    elements /= node[axis];
  }
  return shape;
}

/// What a node tells about the shape of its source in place `slot`; nothing where it takes any shape.
std::optional<Dimensions> shape_by_use(const TensorGraph& graph, const GraphTensor& node, std::size_t slot,
                                       std::int64_t elements) {
  const auto other = [&](std::size_t i) { return graph.tensors[static_cast<std::size_t>(node.sources[i])]; };
  const auto& d = node.dimensions;
  const auto is = [&](std::initializer_list<Operation> any) {
    return std::find(any.begin(), any.end(), node.operation) != any.end();
  };
  if (is({Operation::mul_mat, Operation::mul_mat_id})) {
    const std::int64_t length = other(1).dimensions[0];
    if (slot != 0 || length <= 0) return std::nullopt;
    return Dimensions{length, d[0], elements / length / d[0], 1};
  }
  if (is({Operation::get_rows, Operation::add_id}) && slot < 2)
    return Dimensions{d[0], elements / d[0], 1, 1};
  if (is({Operation::ssm_conv})) return Dimensions{elements / d[0], d[0], 1, 1};
  if (is({Operation::add, Operation::sub, Operation::mul, Operation::div}))
    return shape_of_operand(elements, d);
  return std::nullopt;
}

Dimensions inferred_shape(const TensorGraph& graph, TensorId id, std::int64_t elements) {
  for (const TensorId node : graph.nodes) {
    const auto& user = graph.tensors[static_cast<std::size_t>(node)];
    for (std::size_t slot = 0; slot < max_sources && user.sources[slot] != no_tensor; ++slot)
      if (user.sources[slot] == id)
        if (const auto shape = shape_by_use(graph, user, slot, elements)) return *shape;
  }
  return {elements, 1, 1, 1};
}

bool is_weight(const GraphTensor& tensor) {
  if (tensor.operation != Operation::none || !tensor.elsewhere) return false;
  for (const std::string_view cache : {"cache_", "mamba_", "dsv4_", "leaf_"})
    if (tensor.name.substr(0, cache.size()) == cache) return false;
  return tensor.name.find('(') == std::string_view::npos;
}

std::vector<Tensor> tensors_of(const RecordedGraph& recorded, const TypeTable& types,
                               const nlohmann::json& stated) {
  std::vector<Tensor> tensors;
  const auto& graph = recorded.graph;
  for (std::size_t id = 0; id < graph.tensors.size(); ++id) {
    const auto& tensor = graph.tensors[id];
    const auto* type = types.find(tensor.type.id());
    if (!is_weight(tensor) || type == nullptr) continue;
    const std::string name(tensor.name);
    const std::int64_t elements = tensor.size / type->layout().bytes * type->layout().elements;
    Dimensions shape = inferred_shape(graph, static_cast<TensorId>(id), elements);
    if (stated.contains(name)) {
      shape = {1, 1, 1, 1};
      std::copy(stated.at(name).begin(), stated.at(name).end(), shape.begin());
    }
    tensors.push_back({name, shape, *type});
  }
  return tensors;
}

std::string shared_folder() {
  const char* shared = std::getenv("LLMSIZE_SHARED");
  if (shared == nullptr) throw std::runtime_error("LLMSIZE_SHARED does not name the recorded answers");
  return shared;
}

}  // namespace

Model described_small_model(const std::string& name) {
  const auto& models = descriptions().at("models");
  if (!models.contains(name))
    throw std::runtime_error("tests/data/small_models.json does not describe " + name);
  const auto& entry = models.at(name);
  Model model;
  model.id = name;
  model.architecture = entry.at("architecture").get<std::string>();
  model.source = ModelSource::gguf;
  for (const auto& kind : {std::string("every"), entry.value("like", std::string("usual"))})
    merge(model.hyperparameters, descriptions().at("shapes").at(kind));
  merge(model.hyperparameters, entry.value("hyperparameters", nlohmann::json::object()));
  merge(model.hyperparameters, entry.value("features", nlohmann::json::object()), "feature.");
  return model;
}

std::vector<RecordedSizes> described_small_models() {
  std::vector<RecordedSizes> all;
  for (const auto& [name, entry] : descriptions().at("models").items())
    if (entry.contains("reserved"))
      all.push_back({name, entry.at("reserved").get<std::vector<std::int64_t>>()});
  return all;
}

Model small_model(const std::string& name, const TypeTable& types) {
  const auto header = shared_folder() + "/ground-truth/headers/tiny-" + name + ".head.gz";
  if (std::filesystem::exists(header)) {
    const SparseFiles file(gunzip(header), gibibytes(4096));
    auto model = read_gguf(file, name + ".gguf", types);
    if (!model) throw std::runtime_error(header + ": " + model.error().message);
    return *std::move(model);
  }
  Model model = described_small_model(name);
  const auto& entry = descriptions().at("models").at(name);
  model.tensors =
      tensors_of(recorded_graph(name, 1), types, entry.value("tensors", nlohmann::json::object()));
  return model;
}

std::vector<std::string> small_model_names() {
  std::vector<std::string> names;
  for (const auto& path : recorded_graph_files()) {
    const auto name = path.stem().stem().string();
    if (names.empty() || names.back() != name) names.push_back(name);
  }
  return names;
}

RecordedGraph recorded_graph(const std::string& name, int number) {
  const auto file = fmt::format("{}.{}.txt", name, number);
  for (const auto& path : recorded_graph_files())
    if (path.filename() == file) return read_recorded_graph(read_text(path));
  throw std::runtime_error("there is no recorded graph " + file);
}

RunRequest recorded_settings(const std::string& architecture, int number) {
  RunRequest request;
  request.context_tokens = number == 3 ? 2048 : 1024;
  request.ubatch_tokens = number == 3 ? 256 : 128;
  request.parallel = number == 3 ? 4 : 1;
  request.kv_unified = true;
  request.flash_attention = number == 2 ? FlashAttention::off : FlashAttention::on;
  if (architecture == "grok") request.flash_attention = FlashAttention::automatic;  // Refuses "on".
  request.tool = number == 2 ? Tool::bench : Tool::server;
  request.swa_full = true;  // The default of the engine's library, with which the graphs were recorded.
  return request;
}

}  // namespace llmsize::test
