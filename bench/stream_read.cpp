// A reading of memory in STREAM's manner (J. D. McCalpin, "Memory Bandwidth and Machine Balance", 1995),
// written apart from the memory benchmark of `llmsize probe --bench memory` as a reference for it: an array
// of doubles that each thread has written its part of, summed up by all threads; the best and the median of
// the passes.
//
// usage: stream_read [MiB] [THREADS] [PASSES]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

namespace {

double sum_of(const double* from, std::size_t count) {
  double sum[8] = {};
  for (std::size_t at = 0; at + 8 <= count; at += 8)
    for (std::size_t i = 0; i < 8; ++i) sum[i] += from[at + i];
  return sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
}

/// Runs `work(part)` on as many threads as there are parts.
template <class Work>
void on_every_part(std::size_t parts, Work work) {
  std::vector<std::jthread> threads;
  for (std::size_t part = 0; part < parts; ++part) threads.emplace_back(work, part);
}

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int at, std::size_t otherwise) {
    return argc > at ? static_cast<std::size_t>(std::strtoull(argv[at], nullptr, 10)) : otherwise;
  };
  const std::size_t mebibytes = number(1, 1024), parts = number(2, std::thread::hardware_concurrency());
  const std::size_t passes = number(3, 5);
  if (mebibytes == 0 || parts == 0 || passes == 0) return 2;
  const std::size_t count = mebibytes * 1024 * 1024 / sizeof(double) / parts;
  // Not initialized here: each part belongs where its thread first writes it.
  const std::unique_ptr<double[]> data(new double[count * parts]);
  on_every_part(parts, [&](std::size_t part) {
    for (std::size_t i = 0; i < count; ++i) data[part * count + i] = static_cast<double>(i + part) * 0.5;
  });
  std::vector<double> rates, sums(parts);
  for (std::size_t pass = 0; pass < passes; ++pass) {
    const auto begin = std::chrono::steady_clock::now();
    on_every_part(parts, [&](std::size_t part) { sums[part] = sum_of(&data[part * count], count); });
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    rates.push_back(static_cast<double>(count * parts * sizeof(double)) / taken.count() / 1e9);
  }
  std::sort(rates.begin(), rates.end());
  double check = 0;
  for (const double sum : sums) check += sum;
  std::printf("best %.2f GB/s, median %.2f GB/s (%zu threads, %zu MiB, sum %g)\n", rates.back(),
              rates[rates.size() / 2], parts, mebibytes, check);
  return 0;
}
