#include "llmsize/catalog/model_entry.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/architectures.hpp"
#include "llmsize/catalog/types.hpp"

namespace llmsize::catalog {
namespace {

using nlohmann::json;
/// Keeps members in the order in which people read them.
using OrderedJson = nlohmann::ordered_json;

/// Hyperparameters that a header shows only by its tensors.
constexpr std::string_view feature_prefix = "feature.";

/// Name and dimensions: what a template must reproduce. Types are the quantizer's business.
using Shape = std::pair<std::string, std::array<std::int64_t, 4>>;

std::set<Shape> shapes_of(const std::vector<Tensor>& tensors) {
  std::set<Shape> shapes;
  for (const auto& tensor : tensors) shapes.emplace(tensor.name, tensor.dimensions);
  return shapes;
}

/// Every "NAME" that a "feature.NAME" in the architecture's entry asks for.
std::set<std::string> features_asked(const std::string& text) {
  std::set<std::string> names;
  for (auto at = text.find(feature_prefix); at != std::string::npos; at = text.find(feature_prefix, at)) {
    at += feature_prefix.size();
    const auto end = std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(), [](char c) {
      return c == '_' || std::isalnum(static_cast<unsigned char>(c)) != 0;
    });
    names.emplace(text.begin() + static_cast<std::ptrdiff_t>(at), end);
  }
  return names;
}

/// How many tensors differ between the file and what the templates give with `parameters`.
std::size_t differences(const Architecture& architecture, const Hyperparameters& parameters,
                        const std::set<Shape>& wanted) {
  const auto tensors = expand_tensors(architecture, parameters);
  if (!tensors) return wanted.size() + 1;
  const auto given = shapes_of(*tensors);
  std::vector<Shape> different;
  std::set_symmetric_difference(wanted.begin(), wanted.end(), given.begin(), given.end(),
                                std::back_inserter(different));
  return different.size();
}

struct Description {
  std::set<std::string> features;
  bool exact = false;  ///< The templates then give exactly the file's tensors.
};

/// Turns on, one after another, the features that bring the templates closer to the file. Each decides about
/// tensors of its own, so a second round only confirms the first.
Description describe(const Architecture& architecture, const std::string& entry_text, const Model& model) {
  Description description;
  Hyperparameters parameters = architecture.defaults;
  for (const auto& [key, value] : model.hyperparameters.all()) parameters.set(key, value);
  const auto wanted = shapes_of(model.tensors);
  std::size_t least = differences(architecture, parameters, wanted);
  for (int round = 0; round < 2 && least > 0; ++round) {
    for (const auto& feature : features_asked(entry_text)) {
      Hyperparameters with = parameters;
      with.set("feature." + feature, std::int64_t{1});
      const auto count = differences(architecture, with, wanted);
      if (count >= least) continue;
      least = count;
      parameters = std::move(with);
      description.features.insert(feature);
    }
  }
  description.exact = least == 0;
  return description;
}

/// Keys that say nothing about size.
bool is_about_the_file(const std::string& key) {
  constexpr std::string_view prefixes[] = {"general.", "split.", "tokenizer.", "quantize."};
  return std::any_of(std::begin(prefixes), std::end(prefixes), [&](auto p) { return key.starts_with(p); });
}

OrderedJson hyperparameters_json(const Hyperparameters& parameters) {
  OrderedJson out = OrderedJson::object();
  for (const auto& [key, value] : parameters.all())
    if (!is_about_the_file(key) && !key.starts_with(feature_prefix))
      std::visit([&, name = key](const auto& v) { out[name] = v; }, value);
  return out;
}

/// What the model itself states (one read from a config.json does), and what its tensors show.
OrderedJson features_json(const Hyperparameters& parameters, const std::set<std::string>& shown) {
  OrderedJson out = OrderedJson::object();
  for (const auto& [key, value] : parameters.all())
    if (key.starts_with(feature_prefix))
      std::visit([&, name = key.substr(feature_prefix.size())](const auto& v) { out[name] = v; }, value);
  for (const auto& feature : shown) out[feature] = true;
  return out;
}

/// Where the figures come from.
std::string source_of(const Model& model) {
  const std::string& origin = model.origin;
  const auto slash = origin.rfind('/');
  const bool stored =
      origin.starts_with("hf:") || origin.starts_with("ollama:") || origin.starts_with("lmstudio:");
  const std::string name = stored || slash == std::string::npos ? origin : origin.substr(slash + 1);
  return (model.source == ModelSource::config ? "config.json of " : "GGUF header of ") + name;
}

const TensorType& usual_type(const Tensor& tensor) {
  return tensor.rank() == 1 ? tensor_type::f32 : tensor_type::f16;
}

/// One row of "tensors". What is quantized is listed as its source, which any quant type starts from.
OrderedJson tensors_json(const std::vector<Tensor>& tensors) {
  OrderedJson out = OrderedJson::array();
  for (const auto& tensor : tensors) {
    OrderedJson row = {tensor.name};
    for (int i = 0; i < tensor.rank(); ++i) row.push_back(tensor.dimensions[static_cast<std::size_t>(i)]);
    if (!tensor.type.is_quantized() && tensor.type != usual_type(tensor)) row.push_back(tensor.type.name());
    out.push_back(std::move(row));
  }
  return out;
}

/// Absent where the row is not well-formed.
std::optional<Tensor> read_row(const json& row, const TypeTable& types) {
  Tensor tensor;
  if (!row.is_array() || row.size() < 2 || !row[0].is_string()) return std::nullopt;
  tensor.name = row[0].get<std::string>();
  const bool typed = row.back().is_string();
  const std::size_t rank = row.size() - 1 - (typed ? 1 : 0);
  if (rank < 1 || rank > tensor.dimensions.size()) return std::nullopt;
  for (std::size_t i = 0; i < rank; ++i) {
    if (!row[i + 1].is_number_integer()) return std::nullopt;
    tensor.dimensions[i] = row[i + 1].get<std::int64_t>();
    if (tensor.dimensions[i] < 1) return std::nullopt;
  }
  const TensorType* type = typed ? types.find(row.back().get<std::string>()) : &usual_type(tensor);
  if (type == nullptr || !type->divides(tensor.dimensions[0])) return std::nullopt;
  tensor.type = *type;
  return tensor.size().is_saturated() ? std::nullopt : std::optional(std::move(tensor));
}

bool is_plain_id(const std::string& id) {
  return !id.empty() && std::all_of(id.begin(), id.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
  });
}

}  // namespace

Result<std::string> model_entry(const Catalog& catalog, const Model& model, const std::string& id,
                                std::string_view as_of) {
  if (!is_plain_id(id))
    return fail(ErrorCode::usage, fmt::format("\"{}\" cannot be a catalog id", id),
                "Use letters, digits, '.', '_' and '-': --id my-model-7b.");
  Description description;
  if (const auto entry = catalog.find("architecture", model.architecture)) {
    const auto architecture = load_architecture(catalog, model.architecture);
    if (!architecture) return tl::unexpected(architecture.error());
    description = describe(*architecture, std::string(entry->text), model);
  }
  OrderedJson out = {{"id", id}, {"name", model.name}, {"architecture", model.architecture}};
  out["total_params"] = model.total_params().value();
  out["hyperparameters"] = hyperparameters_json(model.hyperparameters);
  OrderedJson features = features_json(model.hyperparameters, description.features);
  if (!features.empty()) out["features"] = std::move(features);
  if (!description.exact) out["tensors"] = tensors_json(model.tensors);
  out["source"] = source_of(model);
  out["as_of"] = as_of;
  const OrderedJson document = {{"kind", "model"}, {"entries", OrderedJson::array({std::move(out)})}};
  // Names in a header need not be UTF-8; what is not becomes the replacement character.
  return document.dump(1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

Result<std::vector<Tensor>> read_listed_tensors(const Catalog& catalog, const nlohmann::json& list) {
  const auto types = load_tensor_types(catalog);
  if (!types) return tl::unexpected(types.error());
  if (!list.is_array()) return fail(ErrorCode::malformed, "must be a list of tensors");
  std::vector<Tensor> tensors;
  tensors.reserve(list.size());
  for (const auto& row : list) {
    auto tensor = read_row(row, *types);
    if (!tensor)
      return fail(ErrorCode::malformed,
                  fmt::format("row {} is not [\"NAME\", one to four sizes, maybe a type]", tensors.size()));
    tensors.push_back(*std::move(tensor));
  }
  return tensors;
}

}  // namespace llmsize::catalog
