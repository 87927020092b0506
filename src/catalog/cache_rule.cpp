#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "llmsize/catalog/architecture_sections.hpp"

namespace llmsize::catalog {
namespace {

/// Reads the members of one JSON object and remembers the first thing that is wrong with it, so that a rule
/// is read line by line and checked once.
class ObjectReader {
 public:
  ObjectReader(const nlohmann::json& object, std::string place) : object_(object), place_(std::move(place)) {
    if (!object_.is_object()) complain("must be an object");
  }

  void read(const char* key, bool& target) {
    if (const auto* value = member(key, &nlohmann::json::is_boolean, "true or false"))
      target = value->get<bool>();
  }
  void read(const char* key, std::int64_t& target) {
    if (const auto* value = member(key, &nlohmann::json::is_number_integer, "a whole number"))
      target = value->get<std::int64_t>();
    if (target < 0) complain(fmt::format("\"{}\" must not be negative", key));
  }
  void read(const char* key, int& target) {
    std::int64_t wide = target;
    read(key, wide);
    if (wide > 1000000) return complain(fmt::format("\"{}\" is out of range", key));
    target = static_cast<int>(wide);
  }
  void read(const char* key, std::string& target) {
    if (const auto* value = member(key, &nlohmann::json::is_string, "a text"))
      target = value->get<std::string>();
  }
  template <class T, std::size_t N>
  void read(const char* key, T& target, const std::array<std::pair<const char*, T>, N>& words) {
    std::string word;
    read(key, word);
    if (word.empty()) return;
    for (const auto& [name, value] : words)
      if (word == name) {
        target = value;
        return;
      }
    complain(fmt::format("\"{}\" is \"{}\", which is none of the known words", key, word));
  }
  /// The member of that name, or null.
  const nlohmann::json* child(const char* key) {
    known_.emplace_back(key);
    const auto found = object_.is_object() ? object_.find(key) : object_.end();
    return found == object_.end() ? nullptr : &*found;
  }
  void take_error(const ObjectReader& other) {
    if (!other.error_.empty() && error_.empty()) error_ = other.error_;
  }
  void complain(const std::string& what) {
    if (error_.empty()) error_ = place_.empty() ? what : fmt::format("{}: {}", place_, what);
  }
  /// The first error; members that nobody asked for are one.
  [[nodiscard]] const std::string& finish() {
    if (object_.is_object())
      for (const auto& item : object_.items())
        if (std::find(known_.begin(), known_.end(), item.key()) == known_.end())
          complain(fmt::format("\"{}\" means nothing here", item.key()));
    return error_;
  }

 private:
  const nlohmann::json* member(const char* key, bool (nlohmann::json::*right)() const noexcept,
                               const char* kind) {
    const auto* value = child(key);
    if (value == nullptr || (value->*right)()) return value;
    complain(fmt::format("\"{}\" must be {}", key, kind));
    return nullptr;
  }

  const nlohmann::json& object_;
  std::string place_;
  std::vector<std::string> known_;
  std::string error_;
};

constexpr std::array indexer_layers{
    std::pair{"every", IndexerRule::Layers::every}, std::pair{"listed", IndexerRule::Layers::listed},
    std::pair{"after_leading_dense", IndexerRule::Layers::after_leading_dense}};
constexpr std::array recurrent_layers{std::pair{"every", HybridRule::Recurrent::every},
                                      std::pair{"without_kv_heads", HybridRule::Recurrent::without_kv_heads},
                                      std::pair{"interval", HybridRule::Recurrent::interval}};

SlidingWindowRule read_window(const nlohmann::json& object, ObjectReader& parent) {
  SlidingWindowRule rule;
  ObjectReader reader(object, "sliding_window");
  reader.read("default", rule.default_window);
  reader.read("fixed", rule.fixed);
  reader.read("optional", rule.optional);
  reader.read("off_when_zero", rule.off_when_zero);
  reader.read("period", rule.period);
  reader.read("dense_first", rule.dense_first);
  reader.read("every_layer", rule.every_layer);
  reader.read("chunked", rule.chunked);
  reader.read("only_with_layers", rule.only_with_layers);
  if (reader.finish().empty() && rule.fixed && rule.default_window == 0)
    reader.complain("\"fixed\" needs a \"default\"");
  parent.take_error(reader);
  return rule;
}

IndexerRule read_indexer(const nlohmann::json& object, ObjectReader& parent) {
  IndexerRule rule;
  ObjectReader reader(object, "indexer");
  reader.read("layers", rule.layers, indexer_layers);
  reader.read("with_values", rule.with_values);
  reader.read("required_key", rule.required_key);
  static_cast<void>(reader.finish());
  parent.take_error(reader);
  return rule;
}

AttentionRule read_attention(ObjectReader& reader) {
  AttentionRule rule;
  reader.read("latent", rule.latent);
  reader.read("owning_layers", rule.owning_layers);
  reader.read("shared_layers_key", rule.shared_layers_key);
  if (const auto* window = reader.child("sliding_window")) rule.window = read_window(*window, reader);
  if (const auto* indexer = reader.child("indexer")) rule.indexer = read_indexer(*indexer, reader);
  return rule;
}

StateRule read_state(ObjectReader& reader) {
  static const std::array<std::pair<const char*, StateRule>, 7> states{
      {{"mamba", MambaState{false}},
       {"mamba2", MambaState{true}},
       {"gated_delta_net", MambaState{true}},
       {"rwkv", RwkvState{}},
       {"short_convolution", ShortConvolutionState{}},
       {"kimi_delta", KimiDeltaState{}},
       {"lightning", LightningState{}}}};
  StateRule rule;
  if (const auto* named = reader.child("state"); named == nullptr || !named->is_string())
    reader.complain("\"state\" must name the kind of recurrent state");
  reader.read("state", rule, states);
  return rule;
}

using KindReader = void (*)(ObjectReader&, CacheRule&);

const std::array<std::pair<const char*, KindReader>, 5> kinds{
    {{"none", [](ObjectReader&, CacheRule& rule) { rule.kind = NoCacheRule{}; }},
     {"attention", [](ObjectReader& reader, CacheRule& rule) { rule.kind = read_attention(reader); }},
     {"recurrent",
      [](ObjectReader& reader, CacheRule& rule) { rule.kind = RecurrentRule{read_state(reader)}; }},
     {"hybrid",
      [](ObjectReader& reader, CacheRule& rule) {
        HybridRule hybrid;
        hybrid.attention = read_attention(reader);
        hybrid.state = read_state(reader);
        reader.read("recurrent_layers", hybrid.recurrent, recurrent_layers);
        reader.read("interval", hybrid.interval);
        reader.read("feed_forward_layers", hybrid.feed_forward_layers);
        reader.read("ngram_history", hybrid.ngram_history);
        rule.kind = hybrid;
      }},
     {"compressed", [](ObjectReader& reader, CacheRule& rule) {
        CompressedRule compressed;
        if (const auto* window = reader.child("sliding_window"))
          compressed.window = read_window(*window, reader);
        rule.kind = compressed;
      }}}};

}  // namespace

Result<CacheRule> parse_cache_rule(const nlohmann::json& section) {
  CacheRule rule;
  ObjectReader reader(section, "");
  reader.read("flash_attention", rule.flash_attention);
  KindReader read_kind = nullptr;
  reader.read("kind", read_kind, kinds);
  if (read_kind != nullptr) read_kind(reader, rule);
  if (const auto& error = reader.finish(); !error.empty()) return fail(ErrorCode::malformed, error);
  return rule;
}

}  // namespace llmsize::catalog
