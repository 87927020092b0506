#include "llmsize/io/benchmarks.hpp"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace llmsize::io {
namespace {

using Clock = std::chrono::steady_clock;

/// When a worker began and ended a repetition.
struct Span {
  Clock::time_point begin, end;
};

double seconds_of(const std::vector<Span>& spans) {
  auto first = spans.front().begin, last = spans.front().end;
  for (const auto& span : spans) {
    first = std::min(first, span.begin);
    last = std::max(last, span.end);
  }
  return std::chrono::duration<double>(last - first).count();
}

void pin(int cpu) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (cpu >= 0 && cpu < CPU_SETSIZE) {
    CPU_SET(static_cast<std::size_t>(cpu), &mask);
    // A refusal leaves the worker where the scheduler likes; the spread then shows it.
    (void)::sched_setaffinity(0, sizeof mask, &mask);
  }
}

/// Runs `prepare` once and `work` `repetitions` times on one pinned thread per CPU, all starting together,
/// and returns the seconds of each repetition.
std::vector<double> time_workers(const std::vector<int>& cpus, int repetitions,
                                 const std::function<void(std::size_t)>& prepare,
                                 const std::function<void(std::size_t)>& work) {
  const std::size_t count = cpus.size();
  std::vector<std::vector<Span>> spans(static_cast<std::size_t>(repetitions), std::vector<Span>(count));
  std::barrier together(static_cast<std::ptrdiff_t>(count));
  const auto worker = [&](std::size_t index) {
    pin(cpus[index]);
    prepare(index);
    for (auto& repetition : spans) {
      together.arrive_and_wait();
      repetition[index].begin = Clock::now();
      work(index);
      repetition[index].end = Clock::now();
    }
  };
  std::vector<std::jthread> threads;
  for (std::size_t index = 0; index < count; ++index) threads.emplace_back(worker, index);
  threads.clear();
  std::vector<double> seconds;
  for (const auto& repetition : spans) seconds.push_back(std::max(1e-9, seconds_of(repetition)));
  return seconds;
}

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

 private:
  char* data_ = nullptr;
  std::size_t size_;
};

/// Different in every word, so that no page equals another.
void fill(char* data, std::size_t size) {
  std::uint64_t state = 0x9e3779b97f4a7c15U;
  for (std::size_t at = 0; at + sizeof state <= size; at += sizeof state) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    std::memcpy(data + at, &state, sizeof state);
  }
}

// Sixteen bytes exist on every supported processor; eight independent sums keep as many loads in flight.
typedef std::uint64_t Vector __attribute__((vector_size(16)));
constexpr std::size_t sums = 8, block = sums * sizeof(Vector);

void read_all(const char* data, std::size_t size) {
  Vector sum[sums] = {};
  for (std::size_t at = 0; at + block <= size; at += block)
    for (std::size_t i = 0; i < sums; ++i)
      sum[i] ^= *reinterpret_cast<const Vector*>(data + at + i * sizeof(Vector));
  for (const auto& part : sum) __asm__ volatile("" : : "m"(part));
}

void multiply_add(std::int64_t rounds) {
  typedef float Floats __attribute__((vector_size(64)));
  Floats sum[sums] = {}, factor = {};
  for (int i = 0; i < 16; ++i) factor[i] = 1.0F / static_cast<float>(i + 2);
  for (std::int64_t round = 0; round < rounds; ++round)
    for (auto& part : sum) part = part * factor + factor;
  for (auto& part : sum) __asm__ volatile("" : : "m"(part));
}

constexpr std::int64_t compute_rounds = 2'000'000;
constexpr double operations_per_round = sums * 16 * 2.0;

}  // namespace

Result<std::vector<double>> LocalBenchmarks::read_memory(const MemoryReading& reading) const {
  const std::size_t count = reading.cpus.size();
  const auto share =
      static_cast<std::size_t>(reading.buffer.value()) / std::max<std::size_t>(1, count) / 4096 * 4096;
  if (count == 0 || share == 0)
    return fail(ErrorCode::unsupported, "the memory benchmark has no core or no room");
  const Buffer buffer(share * count);
  if (buffer.data() == nullptr)
    return fail(ErrorCode::unsupported, "the memory benchmark could not take its buffer");
  // Each worker writes its own share first, which places it on the worker's node.
  auto rates = time_workers(
      reading.cpus, reading.repetitions, [&](std::size_t i) { fill(buffer.data() + i * share, share); },
      [&](std::size_t i) { read_all(buffer.data() + i * share, share); });
  for (double& rate : rates) rate = static_cast<double>(share * count) / rate;
  return rates;
}

Result<std::vector<double>> LocalBenchmarks::compute(ComputeLoop loop, const std::vector<int>& cpus,
                                                     int repetitions) const {
  if (loop != ComputeLoop::float_multiply_add || cpus.empty())
    return fail(ErrorCode::unsupported, "this build has no such compute loop");
  auto rates = time_workers(
      cpus, repetitions, [](std::size_t) { multiply_add(compute_rounds / 10); },
      [](std::size_t) { multiply_add(compute_rounds); });
  for (double& rate : rates)
    rate =
        operations_per_round * static_cast<double>(compute_rounds) * static_cast<double>(cpus.size()) / rate;
  return rates;
}

Result<std::vector<double>> LocalBenchmarks::read_storage(const StorageReading& reading, bool& direct) const {
  constexpr std::size_t request_size = std::size_t{8} << 20U, alignment = 4096;
  int file = ::open(reading.path.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
  direct = file >= 0;
  if (!direct) file = ::open(reading.path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (file < 0 || ::fstat(file, &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_size < static_cast<off_t>(request_size)) {
    if (file >= 0) ::close(file);
    return fail(ErrorCode::unreadable, fmt::format("{}: is no readable file of 8 MiB or more", reading.path),
                "Name a large file, such as a model, with --bench-file.");
  }
  std::atomic<std::int64_t> next{0}, done{0};
  const std::int64_t end = std::min<std::int64_t>(status.st_size, reading.most.value()) /
                           static_cast<std::int64_t>(request_size) * static_cast<std::int64_t>(request_size);
  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                           std::chrono::duration<double>(reading.seconds));
  const std::vector<int> workers(static_cast<std::size_t>(std::max(1, reading.requests)), -1);
  auto rates = time_workers(
      workers, 1, [](std::size_t) {},
      [&](std::size_t) {
        const std::unique_ptr<void, decltype(&std::free)> memory(std::aligned_alloc(alignment, request_size),
                                                                 &std::free);
        while (memory && Clock::now() < deadline) {
          const std::int64_t at = next.fetch_add(static_cast<std::int64_t>(request_size));
          if (at >= end) return;
          const ssize_t got = ::pread(file, memory.get(), request_size, at);
          if (got <= 0) return;
          done += got;
        }
      });
  ::close(file);
  for (double& rate : rates) rate = static_cast<double>(done.load()) / rate;
  return rates;
}

}  // namespace llmsize::io
