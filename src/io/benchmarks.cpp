#include "llmsize/io/benchmarks.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compute_kernels.hpp"
#include "llmsize/io/timing.hpp"
#include "memory_kernel.hpp"

namespace llmsize::io {
namespace {

/// Anonymous memory that asks for huge pages.
class Buffer {
 public:
  explicit Buffer(std::size_t size) : size_(size) {
    void* address =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address == MAP_FAILED) return;
    data_ = static_cast<char*>(address);
    (void)::madvise(data_, size_, MADV_HUGEPAGE);
  }
  ~Buffer() {
    if (data_ != nullptr) ::munmap(data_, size_);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  [[nodiscard]] char* data() const { return data_; }

  /// Pages go to these nodes in turn, whoever touches them first. False where the kernel refuses.
  [[nodiscard]] bool interleave(const std::vector<int>& nodes) const {
    constexpr int interleave_policy = 3;  // MPOL_INTERLEAVE (Linux, uapi/linux/mempolicy.h)
    constexpr std::size_t bits = 8 * sizeof(unsigned long), words = 1024 / bits;
    unsigned long mask[words] = {};
    for (const int node : nodes)
      if (node >= 0 && static_cast<std::size_t>(node) < bits * words)
        mask[static_cast<std::size_t>(node) / bits] |= 1UL << (static_cast<std::size_t>(node) % bits);
    return ::syscall(SYS_mbind, data_, size_, interleave_policy, mask, bits * words, 0) == 0;
  }

 private:
  char* data_ = nullptr;
  std::size_t size_;
};

constexpr std::size_t page = 4096;

/// Reads a worker's share in steps that go round it, so that each byte comes back only after all others.
struct Share {
  const char* data = nullptr;
  std::size_t size = 0, step = 0, next = 0;
  void read_step() {
    for (std::size_t left = step; left > 0;) {
      const std::size_t now = std::min(left, size - next);
      read_all(data + next, now);
      next = (next + now) % size;
      left -= now;
    }
  }
};

/// How much each repetition reads of a share, so that all fit into the time: by a short first reading.
std::size_t step_within(const MemoryReading& reading, std::vector<Share>& shares) {
  constexpr std::size_t trial_part = 16;
  const std::size_t size = shares.front().size;
  const std::size_t trial = std::max(page, size / trial_part / page * page);
  for (auto& share : shares) share.step = trial;
  const auto seconds = time_workers(
      reading.cpus, 1, reading.seconds, [](std::size_t) {},
      [&](std::size_t index, int) { shares[index].read_step(); });
  const double per_byte = seconds.front() / static_cast<double>(trial);
  const double affordable = reading.seconds / reading.repetitions / per_byte;
  const auto step =
      affordable < static_cast<double>(size) ? static_cast<std::size_t>(affordable) / page * page : size;
  return std::max(page, step);
}

}  // namespace

Result<MeasuredRates> LocalBenchmarks::read_memory(const MemoryReading& reading) const {
  const std::size_t count = reading.cpus.size();
  const auto size =
      static_cast<std::size_t>(reading.buffer.value()) / std::max<std::size_t>(1, count) / page * page;
  if (count == 0 || size == 0 || reading.repetitions < 1)
    return fail(ErrorCode::unsupported, "the memory benchmark has no core or no room");
  const Buffer buffer(size * count);
  if (buffer.data() == nullptr)
    return fail(ErrorCode::unsupported, "the memory benchmark could not take its buffer");
  if (!reading.interleave_nodes.empty() && !buffer.interleave(reading.interleave_nodes))
    return fail(ErrorCode::unsupported, "the kernel refuses to interleave memory over nodes");
  std::vector<Share> shares(count);
  for (std::size_t i = 0; i < count; ++i) shares[i] = {buffer.data() + i * size, size, size, 0};
  // Each worker writes its own share first, which places it on the worker's node.
  (void)time_workers(
      reading.cpus, 1, reading.seconds, [](std::size_t) {},
      [&](std::size_t i, int) { fill_with_noise(buffer.data() + i * size, size); });
  const std::size_t step = step_within(reading, shares);
  for (auto& share : shares) share.step = step;
  MeasuredRates rates;
  rates.per_second = time_workers(
      reading.cpus, reading.repetitions, 2 * reading.seconds, [](std::size_t) {},
      [&](std::size_t i, int) { shares[i].read_step(); });
  for (double& rate : rates.per_second) rate = static_cast<double>(step * count) / rate;
  return rates;
}

Result<MeasuredRates> LocalBenchmarks::compute(const ComputeReading& reading) const {
  const auto& kernels = compute_kernels();
  const auto kernel = std::find_if(kernels.begin(), kernels.end(), [&](const ComputeKernel& k) {
    return k.loop == reading.loop && k.is_supported();
  });
  if (kernel == kernels.end() || reading.cpus.empty() || reading.repetitions < 1)
    return fail(ErrorCode::unsupported, "this processor has no instructions for that loop");
  // Short enough to end in time, long enough that looking at the clock costs nothing.
  constexpr std::int64_t rounds_at_once = 20'000;
  std::vector<std::atomic<std::int64_t>> rounds(static_cast<std::size_t>(reading.repetitions));
  MeasuredRates rates;
  rates.how = kernel->how;
  rates.per_second = time_workers(
      reading.cpus, reading.repetitions, 2 * reading.seconds * reading.repetitions,
      // Wide vectors lower the clock for a moment, so the first rounds do not count.
      [&](std::size_t) { (void)kernel->run(10 * rounds_at_once); },
      [&](std::size_t, int repetition) {
        const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                            std::chrono::duration<double>(reading.seconds));
        std::int64_t done = 0;
        while (Clock::now() < end) {
          (void)kernel->run(rounds_at_once);
          done += rounds_at_once;
        }
        rounds[static_cast<std::size_t>(repetition)] += done;
      });
  for (std::size_t i = 0; i < rates.per_second.size(); ++i)
    rates.per_second[i] =
        kernel->operations_per_round * static_cast<double>(rounds[i].load()) / rates.per_second[i];
  return rates;
}

}  // namespace llmsize::io
