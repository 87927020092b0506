#include "llmsize/core/expression.hpp"

#include <array>
#include <cctype>
#include <charconv>

namespace llmsize {
namespace {

/// Deep enough for any shape; a bound because texts come from users' catalogs too.
constexpr int most_nesting = 16;
constexpr std::size_t most_text = 400;

bool starts_name(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_';
}
bool continues_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
}

/// Reads names, numbers and single characters, with blanks between them skipped.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  char peek() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(char c) {
    if (peek() != c || c == '\0') return false;
    ++at_;
    return true;
  }
  std::string_view name() {
    const char first = peek();
    if (!starts_name(first)) return {};
    const std::size_t begin = at_;
    while (at_ < text_.size() && continues_name(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }
  std::optional<std::int64_t> number() {
    peek();
    std::int64_t value = 0;
    const char* end = text_.data() + text_.size();
    const auto parsed = std::from_chars(text_.data() + at_, end, value);
    if (parsed.ec != std::errc() || value < 0) return std::nullopt;
    at_ = static_cast<std::size_t>(parsed.ptr - text_.data());
    return value;
  }
  [[nodiscard]] tl::unexpected<Error> wrong(const std::string& expected) const {
    return fail(ErrorCode::malformed, "\"" + std::string(text_) + "\": " + expected +
                                          " expected at character " + std::to_string(at_ + 1));
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

/// Recursive descent: sum = product {(+|-) product}, product = value {(*|/) value}.
class ExpressionParser {
 public:
  explicit ExpressionParser(std::string_view text) : reader_(text) {}

  Result<Expression> run(std::string_view text) {
    if (text.size() > most_text) return fail(ErrorCode::malformed, "an expression is too long");
    if (auto parsed = sum(0); !parsed) return tl::unexpected(parsed.error());
    if (reader_.peek() != '\0') return reader_.wrong("an operator or the end");
    out_.text_ = std::string(text);
    return std::move(out_);
  }

 private:
  using Operation = Expression::Operation;

  Result<void> sum(int depth) {
    if (auto first = product(depth); !first) return first;
    while (true) {
      const bool plus = reader_.accept('+');
      if (!plus && !reader_.accept('-')) return {};
      if (auto next = product(depth); !next) return next;
      out_.steps_.push_back({plus ? Operation::add : Operation::subtract, 0});
    }
  }
  Result<void> product(int depth) {
    if (auto first = value(depth); !first) return first;
    while (true) {
      const bool times = reader_.accept('*');
      if (!times && !reader_.accept('/')) return {};
      if (auto next = value(depth); !next) return next;
      out_.steps_.push_back({times ? Operation::multiply : Operation::divide, 0});
    }
  }
  Result<void> value(int depth) {
    if (reader_.accept('(')) {
      if (depth >= most_nesting) return reader_.wrong("fewer parentheses");
      if (auto inner = sum(depth + 1); !inner) return inner;
      if (!reader_.accept(')')) return reader_.wrong("\")\"");
      return {};
    }
    if (const auto name = reader_.name(); !name.empty()) {
      out_.steps_.push_back({Operation::name, static_cast<std::int64_t>(out_.names_.size())});
      out_.names_.emplace_back(name);
      return {};
    }
    const auto number = reader_.number();
    if (!number) return reader_.wrong("a name, a number or \"(\"");
    out_.steps_.push_back({Operation::number, *number});
    return {};
  }

  Reader reader_;
  Expression out_;
};

Result<Expression> Expression::parse(std::string_view text) {
  return ExpressionParser(text).run(text);
}

Expression::Bound Expression::bind(LayerScope& scope) const {
  Bound bound;
  bound.expression_ = this;
  bound.operands_.reserve(names_.size());
  for (const auto& name : names_) bound.operands_.push_back(&scope.values(name));
  return bound;
}

Result<std::int64_t> Expression::Bound::evaluate(int layer) const {
  // Every operator takes two values and leaves one, and the text's length bounds how many there are.
  std::array<std::int64_t, most_text> stack;
  std::size_t depth = 0;
  for (const auto& step : expression_->steps_) {
    if (step.operation == Operation::number) {
      stack[depth++] = step.value;
      continue;
    }
    if (step.operation == Operation::name) {
      const auto index = static_cast<std::size_t>(step.value);
      const auto& value = (*operands_[index])[static_cast<std::size_t>(layer)];
      if (!value)
        return fail(ErrorCode::malformed, "\"" + expression_->names_[index] +
                                              "\" is missing or has no value for layer " +
                                              std::to_string(layer));
      stack[depth++] = *value;
      continue;
    }
    const std::int64_t right = stack[--depth];
    std::int64_t& left = stack[depth - 1];
    bool too_large = false;
    if (step.operation == Operation::add) too_large = __builtin_add_overflow(left, right, &left);
    if (step.operation == Operation::subtract) too_large = __builtin_sub_overflow(left, right, &left);
    if (step.operation == Operation::multiply) too_large = __builtin_mul_overflow(left, right, &left);
    if (too_large) return fail(ErrorCode::overflow, "\"" + expression_->text_ + "\" does not fit 64 bits");
    if (step.operation == Operation::divide) {
      if (right <= 0 || left < 0 || left % right != 0)
        return fail(ErrorCode::malformed, "\"" + expression_->text_ + "\" does not divide evenly");
      left /= right;
    }
  }
  return stack[0];
}

Result<Condition> Condition::parse(std::string_view text) {
  Condition out;
  if (text.size() > most_text) return fail(ErrorCode::malformed, "a condition is too long");
  Reader reader(text);
  if (reader.peek() == '\0') return out;
  while (true) {
    Term term;
    auto name = reader.name();
    if (name == "not") {
      term.negated = true;
      name = reader.name();
    }
    if (name.empty() || name == "and" || name == "not") return reader.wrong("a name");
    term.name = std::string(name);
    if (reader.accept('=')) {
      term.equals = reader.number();
      if (!term.equals) return reader.wrong("a number");
    }
    out.terms_.push_back(std::move(term));
    if (reader.peek() == '\0') return out;
    if (reader.name() != "and") return reader.wrong("\"and\" or the end");
  }
}

Condition::Bound Condition::bind(LayerScope& scope) const {
  Bound bound;
  bound.condition_ = this;
  bound.operands_.reserve(terms_.size());
  for (const auto& term : terms_) bound.operands_.push_back(&scope.values(term.name));
  return bound;
}

bool Condition::Bound::holds(int layer) const {
  for (std::size_t i = 0; i < operands_.size(); ++i) {
    const auto& term = condition_->terms_[i];
    const std::int64_t value = (*operands_[i])[static_cast<std::size_t>(layer)].value_or(0);
    const bool met = term.equals ? value == *term.equals : value != 0;
    if (met == term.negated) return false;
  }
  return true;
}

}  // namespace llmsize
