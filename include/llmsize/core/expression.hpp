#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "llmsize/core/hyperparameters.hpp"
#include "llmsize/core/result.hpp"

namespace llmsize {

/// The values that one name takes on a model's layers; absent where the model does not have it.
using LayerValues = std::vector<std::optional<std::int64_t>>;

/// Resolves the names that expressions and conditions use, layer by layer, and keeps what it resolved.
///
/// A name is a quantity ("heads"), a layer predicate ("expert") or a metadata key without the architecture's
/// prefix ("ssm.inner_size"). Quantities and predicates apply the engine's defaults; `known_names` lists
/// them.
class LayerScope {
 public:
  explicit LayerScope(const Hyperparameters& hyperparameters);

  [[nodiscard]] int layer_count() const { return layer_count_; }
  /// One element per layer, valid as long as the scope.
  const LayerValues& values(const std::string& name);

 private:
  const Hyperparameters& hyperparameters_;
  int layer_count_;
  std::unordered_map<std::string, LayerValues> resolved_;
};

/// Every quantity and predicate with a sentence that says what it is, for docs and validation.
struct KnownName {
  std::string_view name;
  std::string_view meaning;
};
const std::vector<KnownName>& known_names();

/// Integer arithmetic over names: "heads * key_length", with + - * / and parentheses. Compiled once.
class Expression {
 public:
  /// Errors: malformed, saying where the text stops making sense.
  static Result<Expression> parse(std::string_view text);

  [[nodiscard]] const std::string& text() const { return text_; }

  /// An expression whose names have been looked up for one model.
  class Bound {
   public:
    /// Errors: malformed for a name the model does not give, a division that leaves a rest; overflow.
    [[nodiscard]] Result<std::int64_t> evaluate(int layer) const;

   private:
    friend class Expression;
    const Expression* expression_ = nullptr;
    std::vector<const LayerValues*> operands_;
  };
  [[nodiscard]] Bound bind(LayerScope& scope) const;

 private:
  friend class ExpressionParser;
  enum class Operation { number, name, add, subtract, multiply, divide };
  struct Step {
    Operation operation;
    std::int64_t value;  ///< The number, or the index of the name.
  };
  std::string text_;
  std::vector<Step> steps_;  ///< In postfix order.
  std::vector<std::string> names_;
};

/// What must hold of a layer: names joined by "and", each with an optional "not" before or "=NUMBER" after.
/// A name holds where its value is present and not zero. Empty text always holds.
class Condition {
 public:
  /// Errors: malformed.
  static Result<Condition> parse(std::string_view text);

  class Bound {
   public:
    [[nodiscard]] bool holds(int layer) const;

   private:
    friend class Condition;
    const Condition* condition_ = nullptr;
    std::vector<const LayerValues*> operands_;
  };
  [[nodiscard]] Bound bind(LayerScope& scope) const;

 private:
  struct Term {
    std::string name;
    bool negated = false;
    std::optional<std::int64_t> equals;
  };
  std::vector<Term> terms_;
};

}  // namespace llmsize
