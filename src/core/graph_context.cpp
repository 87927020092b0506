#include "llmsize/core/graph_context.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace llmsize {
namespace {

// The engine's limit (LLAMA_MAX_LAYERS); a larger count is a broken file.
constexpr int highest_layer_count = 512;

std::string_view without_layer(std::string_view name) {
  const auto dot = name.find('.', 4);  // Behind "blk.".
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

/// The largest 64 * 2^k that divides `head_length`, as the engine rotates keys before quantizing them.
std::int64_t rotation_length(std::int64_t head_length) {
  std::int64_t length = 64;
  while (head_length % (length * 2) == 0) length *= 2;
  return length;
}

/// Whether every layer's heads are so few and so short that products of them stay within 64 bits.
bool heads_are_possible(const Hyperparameters& h, int layers) {
  constexpr std::int64_t most = std::int64_t{1} << 20;  // Far above any model.
  const auto possible = [](std::int64_t size) { return size >= 0 && size <= most; };
  for (int layer = 0; layer < layers; ++layer)
    if (!possible(h.head_count(layer)) || !possible(h.kv_head_count(layer))) return false;
  return possible(h.key_length()) && possible(h.value_length()) &&
         possible(h.integer("attention.key_length_swa").value_or(0)) &&
         possible(h.integer("attention.value_length_swa").value_or(0));
}

}  // namespace

GraphContext::GraphContext(const Model& model, const Run& run, const ContextLayout& layout)
    : model_(model), run_(run), layer_count_(model.hyperparameters.main_layer_count()) {
  if (layer_count_ <= 0 || model.hyperparameters.layer_count() > highest_layer_count) {
    graph_.refuse(ErrorCode::malformed, fmt::format("a model of {} layers", layer_count_),
                  "The engine takes 1 to 512.");
    layer_count_ = 0;
  }
  if (!heads_are_possible(model.hyperparameters, layer_count_)) {
    graph_.refuse(ErrorCode::malformed, "the attention's head counts or lengths are impossible",
                  "The file's metadata is damaged.");
    layer_count_ = 0;
  }
  weights_.resize(static_cast<std::size_t>(layer_count_) + 1);
  weight_ids_.resize(model.tensors.size(), no_tensor);
  for (std::size_t i = 0; i < model.tensors.size(); ++i) {
    const std::string_view name = model.tensors[i].name;
    const int layer = layer_of(name);
    if (layer >= layer_count_) continue;
    weights_[static_cast<std::size_t>(layer + 1)].push_back({layer < 0 ? name : without_layer(name), i});
  }
  cached_.resize(static_cast<std::size_t>(layer_count_));
  for (const auto& entry : layout) {
    if (entry.layer < 0 || entry.layer >= layer_count_) continue;
    cached_[static_cast<std::size_t>(entry.layer)].push_back(&entry);
    const auto* cache = std::get_if<AttentionCache>(&entry.memory);
    has_recurrent_ = has_recurrent_ || cache == nullptr;
    if (cache == nullptr) continue;
    has_sliding_ = has_sliding_ || cache->kind == AttentionCache::Kind::sliding_window ||
                   cache->kind == AttentionCache::Kind::chunked;
  }
}

void GraphContext::save(std::string_view name, TensorId id) {
  for (auto& [known, value] : saved_)
    if (known == name) {
      value = id;
      return;
    }
  saved_.emplace_back(name, id);
}

bool GraphContext::has_saved(std::string_view name) const {
  return std::any_of(saved_.begin(), saved_.end(), [&](const auto& entry) { return entry.first == name; });
}

TensorId GraphContext::saved(std::string_view name) {
  for (const auto& [known, value] : saved_)
    if (known == name) return value;
  graph_.refuse(ErrorCode::malformed, fmt::format("the graph's blocks use \"{}\" before it was saved", name),
                "Mend the architecture's \"graph\" section.");
  return current_;
}

const GraphContext::NamedWeight* GraphContext::look_up(int layer, std::string_view name,
                                                       std::string_view kind) const {
  for (const auto& weight : weights_[static_cast<std::size_t>(layer + 1)])
    if (weight.name.size() == name.size() + kind.size() && weight.name.substr(0, name.size()) == name &&
        weight.name.substr(name.size()) == kind)
      return &weight;
  return nullptr;
}

TensorId GraphContext::find_in(int layer, std::string_view name, std::string_view kind) {
  const auto* weight = look_up(layer, name, kind);
  if (weight == nullptr) return no_tensor;
  auto& id = weight_ids_[weight->index];
  if (id == no_tensor) {
    const auto& tensor = model_.tensors[weight->index];
    id = graph_.external(tensor.name, tensor.type, tensor.dimensions);
  }
  return id;
}

TensorId GraphContext::find(std::string_view name, std::string_view kind) {
  return find_in(weight_layer(), name, kind);
}

TensorId GraphContext::find_global(std::string_view name, std::string_view kind) {
  return find_in(-1, name, kind);
}

bool GraphContext::has(std::string_view name, std::string_view kind) const {
  return look_up(weight_layer(), name, kind) != nullptr;
}

TensorId GraphContext::weight(std::string_view name, std::string_view kind) {
  const TensorId id = find(name, kind);
  if (id != no_tensor) return id;
  graph_.refuse(ErrorCode::unsupported,
                layer_ < 0 ? fmt::format("the model has no tensor {}{}", name, kind)
                           : fmt::format("the model has no tensor blk.{}.{}{}", layer_, name, kind),
                "The architecture's graph needs it; a file that was cut or renamed cannot be sized exactly.");
  return graph_.external("missing", tensor_type::f32, {1, 1, 1, 1});
}

TensorId GraphContext::global_weight(std::string_view name, std::string_view kind) {
  const int layer = std::exchange(layer_, -1);
  const TensorId id = weight(name, kind);
  layer_ = layer;
  return id;
}

TensorId GraphContext::output_weight() {
  if (const TensorId own = find_global("output"); own != no_tensor) return own;
  const auto embedding = graph_.at(global_weight("token_embd"));
  return graph_.external("output.weight", embedding.type, embedding.dimensions);
}

TensorId GraphContext::input_once(std::string_view name, TensorType type, Dimensions dimensions) {
  for (const auto& [known, id] : inputs_)
    if (known == name) return id;
  return inputs_.emplace_back(name, graph_.with_role(graph_.input(name, type, dimensions), Role::input))
      .second;
}

TensorId GraphContext::positions() {
  return input_once("inp_pos", tensor_type::i32, {tokens() * positions_per_token_, 1, 1, 1});
}

TensorId GraphContext::output_ids() {
  return input_once("out_ids", tensor_type::i32, {run_.output_rows, 1, 1, 1});
}

TensorId GraphContext::attention_scale() {
  return input_once("attn_scale", tensor_type::f32, {1, 1, tokens(), 1});
}

TensorId GraphContext::rope_factors() {
  for (const std::string_view name : {"rope_freqs", "rope_factors_long"}) {
    if (const TensorId id = find(name); id != no_tensor) return id;
    if (const TensorId id = find_global(name); id != no_tensor) return id;
  }
  return no_tensor;
}

Heads GraphContext::heads() const {
  const auto& h = hyperparameters();
  Heads heads{h.head_count(layer_), h.kv_head_count(layer_), h.key_length(), h.value_length()};
  if (!is_sliding()) return heads;
  heads.key_length = h.integer("attention.key_length_swa").value_or(heads.key_length);
  heads.value_length = h.integer("attention.value_length_swa").value_or(heads.value_length);
  return heads;
}

const AttentionCache* GraphContext::attention_cache(int layer) const {
  if (layer < 0 || layer >= layer_count_) return nullptr;
  for (const auto* entry : cached_[static_cast<std::size_t>(layer)])
    if (const auto* cache = std::get_if<AttentionCache>(&entry->memory);
        cache != nullptr && cache->kind != AttentionCache::Kind::indexer &&
        cache->kind != AttentionCache::Kind::compressed)
      return cache;
  return nullptr;
}

const AttentionCache* GraphContext::attention_cache(int layer, AttentionCache::Kind kind) const {
  if (layer < 0 || layer >= layer_count_) return nullptr;
  for (const auto* entry : cached_[static_cast<std::size_t>(layer)])
    if (const auto* cache = std::get_if<AttentionCache>(&entry->memory);
        cache != nullptr && cache->kind == kind)
      return cache;
  return nullptr;
}

const RecurrentState* GraphContext::recurrent_state(int layer, RecurrentState::Kind kind) const {
  if (layer < 0 || layer >= layer_count_) return nullptr;
  for (const auto* entry : cached_[static_cast<std::size_t>(layer)])
    if (const auto* state = std::get_if<RecurrentState>(&entry->memory);
        state != nullptr && state->kind == kind)
      return state;
  return nullptr;
}

bool GraphContext::is_sliding(int layer) const {
  const auto* cache = attention_cache(layer);
  if (cache == nullptr) {  // Without a cache of its own, the layer reads one of its kind.
    const auto* pattern = hyperparameters().list("attention.sliding_window_pattern");
    const auto place = static_cast<std::size_t>(layer);
    return has_sliding_ && pattern != nullptr && place < pattern->size() && (*pattern)[place] != 0;
  }
  return (cache->kind == AttentionCache::Kind::sliding_window ||
          cache->kind == AttentionCache::Kind::chunked);
}

int GraphContext::layer_of_shared_cache() const {
  for (int layer = layer_ - 1; layer >= 0; --layer)
    if (attention_cache(layer) != nullptr && is_sliding(layer) == is_sliding()) return layer;
  return -1;
}

AttentionInputs GraphContext::attention_inputs(const AttentionCache& cache, const Heads& heads) {
  for (const auto& [kind, inputs] : attention_inputs_)
    if (kind == cache.kind) return inputs;
  AttentionInputs inputs;
  const std::int64_t streams = std::max<std::int64_t>(1, cache.streams);
  // Without flash attention V is stored transposed, and each of its elements is a row of its own.
  const std::int64_t value_rows = run_.flash_attention ? 1 : cache.value_width;
  inputs.key_indices = graph_.input("attn_inp_k_idxs", tensor_type::i64, {tokens(), 1, 1, 1});
  inputs.value_indices =
      graph_.input("attn_inp_v_idxs", tensor_type::i64, {saturating_multiply(tokens(), value_rows), 1, 1, 1});
  inputs.mask = graph_.with_role(
      graph_.input("attn_inp_kq_mask", mask_type(), {cache.cells, tokens() / streams, 1, streams}),
      Role::mask);
  // The engine makes no rotations for windows beside recurrent state (llama-graph, hybrid memory of v0.5.0).
  const bool rotates = !(has_sliding_ && has_recurrent_);
  if (rotates && cache.key_type.is_quantized() && heads.key_length > 0 && heads.key_length % 64 == 0) {
    const std::int64_t length = rotation_length(heads.key_length);
    inputs.key_rotation = graph_.input("attn_inp_k_rot", tensor_type::f32, {length, length, 1, 1});
  }
  if (rotates && cache.value_type.is_quantized() && heads.value_length % 64 == 0)
    inputs.value_rotation = graph_.input("attn_inp_v_rot", tensor_type::f32, {64, 64, 1, 1});
  return attention_inputs_.emplace_back(cache.kind, inputs).second;
}

TensorId GraphContext::cache_tensor(const AttentionCache& cache, bool values) {
  const auto place = static_cast<std::size_t>(values);
  auto known = std::find_if(cache_ids_.begin(), cache_ids_.end(),
                            [&](const auto& entry) { return entry.first == &cache; });
  if (known == cache_ids_.end())
    known = cache_ids_.insert(cache_ids_.end(), {&cache, {no_tensor, no_tensor}});
  auto& id = known->second[place];
  if (id == no_tensor)
    id = graph_.external(values ? "cache_v" : "cache_k", values ? cache.value_type : cache.key_type,
                         {values ? cache.value_width : cache.key_width, cache.cells,
                          std::max<std::int64_t>(1, cache.streams), 1});
  return id;
}

TensorId GraphContext::key_cache(const AttentionCache& cache) {
  return cache_tensor(cache, false);
}

TensorId GraphContext::value_cache(const AttentionCache& cache) {
  return cache_tensor(cache, true);
}

}  // namespace llmsize
