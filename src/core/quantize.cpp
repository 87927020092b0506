#include "llmsize/core/quantize.hpp"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include <fmt/format.h>

#include "llmsize/core/pattern.hpp"
#include "llmsize/core/text.hpp"

namespace llmsize {
namespace {

/// Parts of the names that the quantizer leaves at their source type.
/// Source: llama.cpp v0.5.0, src/llama-quant.cpp.
constexpr std::string_view kept_parts[] = {
    "_norm.weight",
    "ffn_gate_inp.weight",
    "ffn_gate_tid2eid.weight",
    "altup",
    "laurel",
    "per_layer_model_proj",
    "ssm_conv1d",
    "shortconv.conv.weight",
    "indexer.k_proj.weight",
    "indexer.q_proj.weight",
    "time_mix_first.weight",
    "time_mix_w0.weight",
    "time_mix_w1.weight",
    "time_mix_w2.weight",
    "time_mix_v0.weight",
    "time_mix_v1.weight",
    "time_mix_v2.weight",
    "time_mix_a0.weight",
    "time_mix_a1.weight",
    "time_mix_a2.weight",
    "time_mix_g1.weight",
    "time_mix_g2.weight",
    "time_mix_decay_w1.weight",
    "time_mix_decay_w2.weight",
    "time_mix_lerp_fused.weight",
    "attn_rel_b.weight",
    ".position_embd",
    "sam.pos_embd",
    "sam.neck.",
    "sam.net_",
    ".rel_pos",
    ".patch_embd",
    ".patch_merger",
    "a.rvq.codebook",
    "mm.a.code_embd",
};
/// Whole names that it leaves.
constexpr std::string_view kept_names[] = {"position_embd.weight", "token_types.weight"};

struct Fallback {
  std::string_view from, to;
};
/// What a type becomes where a row is not whole blocks of it; F16 where it is not whole blocks of that
/// either, or there is none. Source: as above.
constexpr Fallback fallbacks[] = {
    {"iq1_s", "iq4_nl"}, {"iq1_m", "iq4_nl"},   {"iq2_xxs", "iq4_nl"}, {"iq2_xs", "iq4_nl"},
    {"iq2_s", "iq4_nl"}, {"iq3_xxs", "iq4_nl"}, {"iq3_s", "iq4_nl"},   {"iq4_xs", "iq4_nl"},
    {"q2_0", "q4_0"},    {"q2_K", "q4_0"},      {"q3_K", "q4_0"},      {"tq1_0", "q4_0"},
    {"tq2_0", "q4_0"},   {"q4_K", "q5_0"},      {"q5_K", "q5_1"},      {"q6_K", "q8_0"},
};

/// The one type that is refused instead.
constexpr std::string_view refused_undivided = "q1_0";

/// Types of indices and of intermediate results, which ggml_quantize_chunk does not know. Source: llama.cpp,
/// ggml/src/ggml.c.
constexpr std::string_view types_without_encoder[] = {"i8", "i16", "i32", "i64", "f64", "q8_1", "q8_K"};

/// Types that the engine quantizes to only with an importance matrix.
constexpr std::string_view matrix_types[] = {"iq3_xxs", "iq2_xxs", "iq2_xs", "iq2_s", "iq1_m", "iq1_s"};

struct SeventyBillion {
  std::string_view architecture;
  int layers;
};
/// The shapes that the engine takes for a 70B model, which gets finer value projections.
constexpr SeventyBillion seventy_billion_shapes[] = {
    {"llama", 80}, {"qwen2", 80}, {"deci", 80}, {"olmo", 80}, {"jais2", 68}};

template <class Range, class Value>
bool contains(const Range& range, const Value& value) {
  return std::find(std::begin(range), std::end(range), value) != std::end(range);
}

bool is_attention_value(TensorCategory category) {
  return category == TensorCategory::attention_value || category == TensorCategory::attention_qkv ||
         category == TensorCategory::attention_kv_b;
}

bool is_feed_forward(TensorCategory category) {
  return category == TensorCategory::ffn_up || category == TensorCategory::ffn_gate ||
         category == TensorCategory::ffn_down;
}

/// What the quantizer reads from a tensor's name.
struct NameFacts {
  TensorCategory category;
  bool kept;  ///< At its source's type, whatever the file type.
};

NameFacts facts_of_name(std::string_view name) {
  const bool kept = !name.ends_with("weight") || contains(kept_names, name) ||
                    std::any_of(std::begin(kept_parts), std::end(kept_parts),
                                [&](auto part) { return name.find(part) != std::string_view::npos; });
  return {category_of(name), kept};
}

bool may_be_quantized(const Tensor& tensor, const NameFacts& name) {
  return tensor.rank() >= 2 && !name.kept;
}

/// The names of a model, each read once: layers repeat theirs, and looking a name through for some fifty
/// parts is most of choosing a type. The views are into the model's tensors.
class NameReader {
 public:
  const NameFacts& read(std::string_view name) {
    const std::string_view key = without_layer(name);
    const auto known = facts_.find(key);
    return known != facts_.end() ? known->second : facts_.emplace(key, facts_of_name(name)).first->second;
  }

 private:
  /// ".attn_q.weight" of "blk.7.attn_q.weight": no part that is looked for reaches into the number.
  static std::string_view without_layer(std::string_view name) {
    constexpr std::string_view layer = "blk.";
    if (!name.starts_with(layer)) return name;
    const auto end = name.find_first_not_of("0123456789", layer.size());
    return end == std::string_view::npos || end == layer.size() || name[end] != '.' ? name : name.substr(end);
  }

  std::unordered_map<std::string_view, NameFacts> facts_;
};

/// The first and last eighth of n layers, and every third between: where the engine spends more bits.
bool gets_more_bits(std::int64_t layer, std::int64_t n) {
  return layer < n / 8 || layer >= 7 * n / 8 || (layer - n / 8) % 3 == 2;
}

/// The facts about a model that the conditions ask for.
struct ModelFacts {
  std::int64_t layers, experts, query_groups;
  bool seventy_billion;
};

ModelFacts facts_of(const Model& model) {
  const auto& parameters = model.hyperparameters;
  const std::int64_t heads = parameters.head_count(0), kv_heads = parameters.kv_head_count(0);
  ModelFacts facts{parameters.layer_count(), parameters.expert_count(), kv_heads > 0 ? heads / kv_heads : 0,
                   false};
  for (const auto& shape : seventy_billion_shapes)
    if (model.architecture == shape.architecture && facts.layers == shape.layers)
      facts.seventy_billion = true;
  // A llama of 80 layers is the older 65B, or a mixture of eight experts, where these say so.
  if (model.architecture == "llama" && (heads == kv_heads || facts.experts == 8))
    facts.seventy_billion = false;
  return facts;
}

/// Where a tensor stands among its kind: `layer` of `count`.
struct Position {
  std::int64_t layer = 0, count = 0;
};

tl::unexpected<Error> refusal(const Tensor& tensor, const FileType& file_type, const std::string& reason,
                              std::string hint = "Choose another quant type.") {
  return fail(ErrorCode::refused_by_engine,
              fmt::format("{}: {} cannot be quantized: {}", file_type.id, tensor.name, reason),
              std::move(hint));
}

/// Walks the tensors in the engine's order, counting as it counts.
class TypeChooser {
 public:
  TypeChooser(const Model& model, const FileType& file_type, const TypeTable& types,
              const QuantizeOptions& options)
      : model_(model),
        file_type_(file_type),
        types_(types),
        options_(options),
        facts_(facts_of(model)),
        tied_(model.find_tensor("output.weight") == nullptr),
        by_shape_(std::any_of(file_type.rules.begin(), file_type.rules.end(),
                              [](const TypeRule& rule) { return rule.categories.empty(); })),
        attention_values_(std::count_if(
            model.tensors.begin(), model.tensors.end(),
            [this](const Tensor& tensor) { return is_attention_value(names_.read(tensor.name).category); })) {
  }

  Result<void> check_overrides() {
    for (const auto& type : {options_.output_tensor_type, options_.token_embedding_type})
      if (type)
        if (auto checked = check_encoder(*type); !checked) return checked;
    return compile_patterns();
  }

  /// The engine turns a pattern's letters to lower case before it compiles it, even of classes such as "not a
  /// digit".
  Result<void> compile_patterns() {
    for (const auto& [pattern, type] : options_.tensor_types) {
      if (auto checked = check_encoder(type); !checked) return checked;
      auto compiled = Pattern::compile(lower_case(pattern));
      if (!compiled)
        return fail(ErrorCode::usage, fmt::format("\"{}\" is not a regular expression", pattern),
                    "Write --tensor-type REGEX=TYPE, for example --tensor-type 'ffn_down=q8_0'.");
      patterns_.emplace_back(std::move(*compiled), type);
    }
    return {};
  }

  Result<TensorType> choose(const Tensor& tensor) {
    const NameFacts& name = names_.read(tensor.name);
    if (!may_be_quantized(tensor, name)) return tensor.type;
    auto chosen = target(tensor, name.category);
    if (!chosen || *chosen == tensor.type) return chosen;
    if (!chosen->divides(tensor.dimensions[0]))
      return refusal(tensor, file_type_,
                     fmt::format("its rows of {} are not whole {} blocks of {}", tensor.dimensions[0],
                                 chosen->name(), chosen->layout().elements));
    if (tensor.type.is_quantized() && !options_.allow_requantize)
      return refusal(tensor, file_type_, fmt::format("it is already {}", tensor.type.name()),
                     "Start from the F16 or BF16 file, or leave --quant out to size the file as it is.");
    return chosen;
  }

 private:
  [[nodiscard]] Result<void> check_encoder(const TensorType& type) const {
    if (!contains(types_without_encoder, type.name())) return {};
    return fail(ErrorCode::refused_by_engine, fmt::format("the quantizer cannot write {}", type.name()),
                "Name a type that holds weights, such as q8_0 or f16.");
  }

  /// The type before it is checked against the tensor's source.
  Result<TensorType> target(const Tensor& tensor, TensorCategory category) {
    if (options_.token_embedding_type && category == TensorCategory::token_embedding)
      return *options_.token_embedding_type;
    if (options_.output_tensor_type && category == TensorCategory::output)
      return *options_.output_tensor_type;
    if (!file_type_.mixes) return file_type_.default_type;
    for (const auto& [pattern, type] : patterns_)
      if (pattern.found_in(tensor.name)) return fall_back(tensor, type);
    if (options_.pure) return fall_back(tensor, file_type_.default_type);
    const bool as_output =
        category == TensorCategory::output || (tied_ && category == TensorCategory::token_embedding);
    if (as_output && options_.output_tensor_type) return fall_back(tensor, *options_.output_tensor_type);
    const auto place = position(tensor, category);
    if (!place) return tl::unexpected(place.error());
    return fall_back(tensor, by_rules(tensor, as_output ? TensorCategory::output : category, *place));
  }

  TensorType by_rules(const Tensor& tensor, TensorCategory category, Position place) const {
    for (const auto& rule : file_type_.rules) {
      if (!rule.categories.empty() && !contains(rule.categories, category)) continue;
      if (std::all_of(rule.when.begin(), rule.when.end(),
                      [&](const auto& condition) { return holds(condition, tensor, place); }))
        return rule.type;
    }
    return file_type_.default_type;
  }

  bool holds(const TypeCondition& condition, const Tensor& tensor, Position place) const {
    return condition.negated != holds_plain(condition, tensor, place);
  }

  bool holds_plain(const TypeCondition& condition, const Tensor& tensor, Position place) const {
    using Kind = TypeCondition::Kind;
    switch (condition.kind) {
      case Kind::query_groups_at_least:
        return facts_.query_groups >= condition.number;
      case Kind::experts_at_least:
        return facts_.experts >= condition.number;
      case Kind::experts_exactly:
        return facts_.experts == condition.number;
      case Kind::architecture:
        return model_.architecture == condition.text;
      case Kind::imatrix:
        return options_.imatrix;
      case Kind::stacked:
        return tensor.dimensions[2] > 1;
      case Kind::undivided:
        return !file_type_.default_type.divides(tensor.dimensions[0]);
      case Kind::seventy_billion:
        return facts_.seventy_billion;
      case Kind::layer_below:
        return place.layer < condition.number;
      case Kind::layer_below_fraction:
        return place.layer < place.count / condition.number;
      case Kind::middle:
        return place.layer >= place.count / 8 && place.layer < 7 * place.count / 8;
      case Kind::more_bits:
        return gets_more_bits(place.layer, place.count);
    }
    return false;
  }

  Result<Position> position(const Tensor& tensor, TensorCategory category) {
    if (is_attention_value(category)) return Position{attention_value_++, attention_values_};
    if (!is_feed_forward(category) || by_shape_) return Position{};
    const Position counted{feed_forward_[category]++, facts_.layers};
    if (facts_.experts <= 1 || file_type_.counts_ffn_down) return counted;
    const int layer = layer_of(tensor.name);
    if (layer < 0 || layer >= facts_.layers)
      return refusal(tensor, file_type_,
                     fmt::format("its name gives no layer from 0 to {}", facts_.layers - 1),
                     "The engine cannot quantize this model either.");
    return Position{layer, facts_.layers};
  }

  Result<TensorType> fall_back(const Tensor& tensor, TensorType type) const {
    const std::int64_t width = tensor.dimensions[0];
    if (type.divides(width)) return type;
    if (type.name() == refused_undivided)
      return refusal(tensor, file_type_,
                     fmt::format("its rows of {} are not whole {} blocks of {}, and no other type stands in",
                                 width, type.name(), type.layout().elements));
    for (const auto& [from, to] : fallbacks) {
      if (from != type.name()) continue;
      const TensorType* other = types_.find(to);
      if (other != nullptr && other->divides(width)) return *other;
    }
    return tensor_type::f16;
  }

  const Model& model_;
  const FileType& file_type_;
  const TypeTable& types_;
  const QuantizeOptions& options_;
  NameReader names_;
  ModelFacts facts_;
  bool tied_;
  bool by_shape_;  ///< Rows of the rule apply to every category: the engine then asks for no layer.
  std::int64_t attention_values_;
  std::int64_t attention_value_ = 0;
  std::map<TensorCategory, std::int64_t> feed_forward_;
  std::vector<std::pair<Pattern, TensorType>> patterns_;
};

/// Tensors by layer (those outside the layers first), then name: the order in which the engine counts.
std::vector<std::size_t> engine_order(const std::vector<Tensor>& tensors) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::vector<int> layers(tensors.size());
  std::transform(tensors.begin(), tensors.end(), layers.begin(),
                 [](const Tensor& tensor) { return layer_of(tensor.name); });
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return layers[a] != layers[b] ? layers[a] < layers[b] : tensors[a].name < tensors[b].name;
  });
  return order;
}

}  // namespace

Result<std::vector<TensorType>> quantized_types(const Model& model, const FileType& file_type,
                                                const TypeTable& types, const QuantizeOptions& options) {
  if (!file_type.refused.empty())
    return fail(ErrorCode::refused_by_engine, fmt::format("{}: {}", file_type.id, file_type.refused),
                "Choose another quant type.");
  TypeChooser chooser(model, file_type, types, options);
  if (auto compiled = chooser.check_overrides(); !compiled) return tl::unexpected(compiled.error());
  std::vector<TensorType> result(model.tensors.size());
  for (const std::size_t index : engine_order(model.tensors)) {
    const auto type = chooser.choose(model.tensors[index]);
    if (!type) return tl::unexpected(type.error());
    result[index] = *type;
  }
  return result;
}

Model with_types(Model model, const std::vector<TensorType>& types) {
  bool changed = false;
  for (std::size_t i = 0; i < model.tensors.size() && i < types.size(); ++i) {
    changed = changed || model.tensors[i].type != types[i];
    model.tensors[i].type = types[i];
  }
  model.types_are_final = true;
  // The quantizer copies the header, and adds a few keys.
  if (changed && model.header_size.known()) model.header_size.basis = Basis::derived;
  return model;
}

std::string needs_importance_matrix(const Model& model, const FileType& file_type,
                                    const std::vector<TensorType>& types) {
  for (std::size_t i = 0; i < model.tensors.size() && i < types.size(); ++i) {
    const bool lean = file_type.id == "Q2_K_S" && types[i].name() == "q2_K";
    if (!lean && !contains(matrix_types, types[i].name())) continue;
    const auto& tensor = model.tensors[i];
    const auto name = facts_of_name(tensor.name);
    if (name.category != TensorCategory::output && name.category != TensorCategory::token_embedding &&
        may_be_quantized(tensor, name))
      return tensor.name;
  }
  return {};
}

}  // namespace llmsize
