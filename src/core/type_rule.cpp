#include "llmsize/core/type_rule.hpp"

#include <charconv>
#include <utility>

namespace llmsize {
namespace {

struct CategoryWord {
  std::string_view word;
  TensorCategory category;
};

constexpr CategoryWord category_words[] = {
    {"output", TensorCategory::output},          {"token_embd", TensorCategory::token_embedding},
    {"attn_qkv", TensorCategory::attention_qkv}, {"attn_kv_b", TensorCategory::attention_kv_b},
    {"attn_v", TensorCategory::attention_value}, {"attn_k", TensorCategory::attention_key},
    {"attn_q", TensorCategory::attention_query}, {"attn_output", TensorCategory::attention_output},
    {"ffn_up", TensorCategory::ffn_up},          {"ffn_gate", TensorCategory::ffn_gate},
    {"ffn_down", TensorCategory::ffn_down},
};

/// Parts of names, in the quantizer's order: "attn_qkv.weight" must be tried before "attn_k.weight" and so
/// on. Source: llama.cpp v0.5.0, src/llama-quant.cpp, checked against its dry run on 161 models.
constexpr CategoryWord name_parts[] = {
    {"attn_qkv.weight", TensorCategory::attention_qkv},
    {"attn_kv_b.weight", TensorCategory::attention_kv_b},
    {"attn_v.weight", TensorCategory::attention_value},
    {"attn_k.weight", TensorCategory::attention_key},
    {"attn_q.weight", TensorCategory::attention_query},
    {"attn_output.weight", TensorCategory::attention_output},
    {"ffn_up", TensorCategory::ffn_up},
    {"ffn_gate", TensorCategory::ffn_gate},
    {"ffn_down", TensorCategory::ffn_down},
};

struct ConditionWord {
  std::string_view start;
  TypeCondition::Kind kind;
  enum class Rest { nothing, number, text } rest;
};

using Kind = TypeCondition::Kind;
using Rest = ConditionWord::Rest;

/// A longer start comes before a shorter one that it begins with.
constexpr ConditionWord condition_words[] = {
    {"gqa>=", Kind::query_groups_at_least, Rest::number},
    {"experts>=", Kind::experts_at_least, Rest::number},
    {"experts==", Kind::experts_exactly, Rest::number},
    {"architecture=", Kind::architecture, Rest::text},
    {"imatrix", Kind::imatrix, Rest::nothing},
    {"stacked", Kind::stacked, Rest::nothing},
    {"undivided", Kind::undivided, Rest::nothing},
    {"seventy_billion", Kind::seventy_billion, Rest::nothing},
    {"layer<n/", Kind::layer_below_fraction, Rest::number},
    {"layer<", Kind::layer_below, Rest::number},
    {"middle", Kind::middle, Rest::nothing},
    {"more_bits", Kind::more_bits, Rest::nothing},
};

std::optional<std::int64_t> positive_number(std::string_view text) {
  std::int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
  return whole && value > 0 ? std::optional(value) : std::nullopt;
}

}  // namespace

TensorCategory category_of(std::string_view tensor_name) {
  if (tensor_name == "output.weight") return TensorCategory::output;
  if (tensor_name == "token_embd.weight" || tensor_name == "per_layer_token_embd.weight")
    return TensorCategory::token_embedding;
  for (const auto& part : name_parts)
    if (tensor_name.find(part.word) != std::string_view::npos) return part.category;
  return TensorCategory::other;
}

std::optional<TensorCategory> parse_category(std::string_view word) {
  for (const auto& known : category_words)
    if (known.word == word) return known.category;
  return std::nullopt;
}

std::optional<TypeCondition> parse_condition(std::string_view text) {
  constexpr std::string_view negation = "not ";
  TypeCondition condition;
  condition.negated = text.starts_with(negation);
  if (condition.negated) text.remove_prefix(negation.size());
  for (const auto& word : condition_words) {
    if (!text.starts_with(word.start)) continue;
    const std::string_view rest = text.substr(word.start.size());
    condition.kind = word.kind;
    condition.text = rest;
    const auto number = word.rest == Rest::number ? positive_number(rest) : std::nullopt;
    condition.number = number.value_or(0);
    if (word.rest == Rest::number ? number.has_value() : (word.rest == Rest::text) != rest.empty())
      return condition;
  }
  return std::nullopt;
}

}  // namespace llmsize
