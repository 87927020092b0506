#pragma once
#include <cmath>
#include <compare>
#include <cstdint>
#include <limits>

namespace llmsize {

/// A count of something, in signed 64 bits, with the operators that make sense for it and no others.
///
/// Arithmetic saturates instead of overflowing, and a saturated value stays saturated, so that a hostile size
/// can be carried through a sum and reported once, at the end, by `is_saturated()`.
template <class Tag>
class Quantity {
 public:
  static constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();

  constexpr Quantity() = default;
  constexpr explicit Quantity(std::int64_t value) : value_(value) {}

  [[nodiscard]] constexpr std::int64_t value() const { return value_; }
  [[nodiscard]] constexpr bool is_saturated() const { return value_ == highest; }
  friend constexpr auto operator<=>(Quantity, Quantity) = default;

  friend constexpr Quantity operator+(Quantity a, Quantity b) {
    if (a.is_saturated() || b.is_saturated()) return Quantity(highest);
    std::int64_t sum = 0;
    return Quantity(__builtin_add_overflow(a.value_, b.value_, &sum) ? highest : sum);
  }
  friend constexpr Quantity operator-(Quantity a, Quantity b) {
    if (a.is_saturated() || b.is_saturated()) return Quantity(highest);
    std::int64_t difference = 0;
    return Quantity(__builtin_sub_overflow(a.value_, b.value_, &difference) ? highest : difference);
  }
  friend constexpr Quantity operator*(Quantity a, std::int64_t factor) {
    if (a.is_saturated()) return a;
    std::int64_t product = 0;
    return Quantity(__builtin_mul_overflow(a.value_, factor, &product) ? highest : product);
  }
  friend constexpr Quantity operator*(std::int64_t factor, Quantity a) { return a * factor; }
  constexpr Quantity& operator+=(Quantity other) { return *this = *this + other; }
  constexpr Quantity& operator-=(Quantity other) { return *this = *this - other; }

 private:
  std::int64_t value_ = 0;
};

/// Memory or file size. Signed, so that headroom can be negative.
using Bytes = Quantity<struct BytesTag>;
/// Number of weights in a model.
using ParamCount = Quantity<struct ParamCountTag>;
/// Number of tokens: a context, a batch, a position.
using TokenCount = Quantity<struct TokenCountTag>;

/// A rate in units per second.
template <class Tag>
class Rate {
 public:
  constexpr Rate() = default;
  constexpr explicit Rate(double per_second) : per_second_(per_second) {}
  [[nodiscard]] constexpr double per_second() const { return per_second_; }
  friend constexpr auto operator<=>(Rate, Rate) = default;
  friend constexpr Rate operator*(Rate rate, double factor) { return Rate(rate.per_second_ * factor); }

 private:
  double per_second_ = 0;
};

using BytesPerSecond = Rate<struct BytesPerSecondTag>;
using TokensPerSecond = Rate<struct TokensPerSecondTag>;

constexpr Bytes kibibytes(std::int64_t n) {
  return Bytes(1024) * n;
}
constexpr Bytes mebibytes(std::int64_t n) {
  return kibibytes(1024) * n;
}
constexpr Bytes gibibytes(std::int64_t n) {
  return mebibytes(1024) * n;
}

/// `size` rounded up to a multiple of `alignment` (positive).
constexpr Bytes align_up(Bytes size, std::int64_t alignment) {
  if (size.is_saturated()) return size;
  const std::int64_t rest = size.value() % alignment;
  return rest == 0 ? size : size + Bytes(alignment - rest);
}

/// `size` times `factor`, to the nearest byte; a saturated size stays so. `factor` keeps it below 2^63.
inline Bytes scaled_to_nearest(Bytes size, double factor) {
  return size.is_saturated() ? size : Bytes(std::llround(static_cast<double>(size.value()) * factor));
}

/// a * b for non-negative factors; the highest 64-bit value where the product does not fit.
constexpr std::int64_t saturating_multiply(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? Bytes::highest : product;
}

}  // namespace llmsize
