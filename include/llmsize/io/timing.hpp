#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <vector>

namespace llmsize::io {

using Clock = std::chrono::steady_clock;

/// When a worker began and ended a repetition, by its own clock.
struct Span {
  Clock::time_point begin, end;
};

/// From the first worker's start to the last one's end; never 0.
double seconds_of(const std::vector<Span>& spans);

/// Writes words that all differ, so that no page equals another and none is the shared page of zeros.
void fill_with_noise(char* data, std::size_t size);

/// One pinned thread per CPU (-1: not pinned) runs `prepare(index)` once and then `work(index, repetition)`,
/// all starting each repetition together. The seconds of each repetition. A repetition after the first
/// begins only before `seconds` have passed.
std::vector<double> time_workers(const std::vector<int>& cpus, int repetitions, double seconds,
                                 const std::function<void(std::size_t)>& prepare,
                                 const std::function<void(std::size_t, int)>& work);

}  // namespace llmsize::io
