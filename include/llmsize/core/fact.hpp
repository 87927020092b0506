#pragma once
#include <optional>
#include <string>
#include <utility>

namespace llmsize {

/// How a value came to be known.
enum class Basis {
  measured,   ///< Timed or read off a running thing by llmsize itself.
  reported,   ///< Stated by the system, a file's header or a published document.
  derived,    ///< Computed from other facts by a stated rule.
  assumed,    ///< A default, because nothing says otherwise.
  overridden  ///< Given by the user; "override" in JSON.
};

/// The word used in JSON and with --explain.
constexpr const char* basis_name(Basis basis) {
  constexpr const char* names[] = {"measured", "reported", "derived", "assumed", "override"};
  return names[static_cast<int>(basis)];
}

/// A value that may be unknown, with where it came from. Unknown is never zero.
template <class T>
struct Fact {
  std::optional<T> value;
  Basis basis = Basis::assumed;
  std::string source;  ///< A file, a call, a rule; for an unknown value, why it is unknown.

  [[nodiscard]] bool known() const { return value.has_value(); }
  [[nodiscard]] T value_or(T other) const { return value.value_or(std::move(other)); }
  friend bool operator==(const Fact&, const Fact&) = default;
};

template <class T>
Fact<T> reported(T value, std::string source) {
  return {std::move(value), Basis::reported, std::move(source)};
}
template <class T>
Fact<T> measured(T value, std::string source) {
  return {std::move(value), Basis::measured, std::move(source)};
}
template <class T>
Fact<T> derived(T value, std::string source) {
  return {std::move(value), Basis::derived, std::move(source)};
}
template <class T>
Fact<T> assumed(T value, std::string source) {
  return {std::move(value), Basis::assumed, std::move(source)};
}
template <class T>
Fact<T> overridden(T value, std::string source) {
  return {std::move(value), Basis::overridden, std::move(source)};
}
template <class T>
Fact<T> unknown(std::string why) {
  return {std::nullopt, Basis::assumed, std::move(why)};
}

}  // namespace llmsize
