#include "memory_kernel.hpp"

#include <cstdint>

namespace llmsize::io {
namespace {

// Sixteen bytes exist on every supported processor; eight independent sums keep as many loads in flight.
typedef std::uint64_t Vector __attribute__((vector_size(16)));
constexpr std::size_t sums = 8, block = sums * sizeof(Vector);

}  // namespace

void read_all(const char* data, std::size_t size) {
  Vector sum[sums] = {};
  for (std::size_t at = 0; at + block <= size; at += block)
    for (std::size_t i = 0; i < sums; ++i)
      sum[i] ^= *reinterpret_cast<const Vector*>(data + at + i * sizeof(Vector));
  for (const auto& part : sum) __asm__ volatile("" : : "m"(part));
}

}  // namespace llmsize::io
