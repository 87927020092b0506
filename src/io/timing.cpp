#include "llmsize/io/timing.hpp"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstdint>
#include <cstring>
#include <thread>

#include <sched.h>

namespace llmsize::io {
namespace {

void pin(int cpu) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (cpu >= 0 && cpu < CPU_SETSIZE) {
    CPU_SET(static_cast<std::size_t>(cpu), &mask);
    // A refusal leaves the worker where the scheduler likes; the spread then shows it.
    (void)::sched_setaffinity(0, sizeof mask, &mask);
  }
}

}  // namespace

double seconds_of(const std::vector<Span>& spans) {
  constexpr double shortest = 1e-9;
  if (spans.empty()) return shortest;
  auto first = spans.front().begin, last = spans.front().end;
  for (const auto& span : spans) {
    first = std::min(first, span.begin);
    last = std::max(last, span.end);
  }
  return std::max(shortest, std::chrono::duration<double>(last - first).count());
}

void fill_with_noise(char* data, std::size_t size) {
  // A linear congruential generator (Knuth, MMIX): full period, so no word comes twice.
  std::uint64_t state = 0x9e3779b97f4a7c15U + reinterpret_cast<std::uintptr_t>(data);
  for (std::size_t at = 0; at + sizeof state <= size; at += sizeof state) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    std::memcpy(data + at, &state, sizeof state);
  }
}

std::vector<double> time_workers(const std::vector<int>& cpus, int repetitions, double seconds,
                                 const std::function<void(std::size_t)>& prepare,
                                 const std::function<void(std::size_t, int)>& work) {
  const std::size_t count = cpus.size();
  std::vector<std::vector<Span>> spans(static_cast<std::size_t>(repetitions), std::vector<Span>(count));
  std::barrier together(static_cast<std::ptrdiff_t>(count));
  std::atomic<int> done{0};
  std::atomic<bool> enough{false};
  const auto worker = [&](std::size_t index) {
    pin(cpus[index]);
    prepare(index);
    Clock::time_point start;
    for (int repetition = 0; repetition < repetitions; ++repetition) {
      // One worker decides before all meet, so that none waits for one that has left.
      if (index == 0 && repetition > 0)
        enough = std::chrono::duration<double>(Clock::now() - start).count() >= seconds;
      together.arrive_and_wait();
      if (enough) return;
      if (repetition == 0) start = Clock::now();
      Span& span = spans[static_cast<std::size_t>(repetition)][index];
      span.begin = Clock::now();
      work(index, repetition);
      span.end = Clock::now();
      together.arrive_and_wait();
      if (index == 0) done = repetition + 1;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t index = 0; index < count; ++index) threads.emplace_back(worker, index);
  }
  std::vector<double> measured;
  for (int repetition = 0; repetition < done; ++repetition)
    measured.push_back(seconds_of(spans[static_cast<std::size_t>(repetition)]));
  return measured;
}

}  // namespace llmsize::io
