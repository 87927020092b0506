// Reads memory in the manner of STREAM (McCalpin, "Memory Bandwidth and Machine Balance in Current High
// Performance Computers", 1995), apart from the benchmark in src/io so that it can be a reference for it:
// OpenMP threads, an array of doubles that each thread has written its part of, summed up by all threads,
// timed around the parallel region; the best and the median of the passes. As STREAM is run, the threads stay
// where they are (OMP_PROC_BIND=true) and the array has huge pages where the kernel gives them on request.
//
// usage: stream_read [MiB] [THREADS] [PASSES]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <omp.h>
#include <sys/mman.h>

namespace {

/// Enough sums for four of the widest vectors.
constexpr std::size_t lanes = 32;

double sum_of(const double* from, std::size_t count) {
  double sum[lanes] = {};
  for (std::size_t at = 0; at + lanes <= count; at += lanes)
    for (std::size_t i = 0; i < lanes; ++i) sum[i] += from[at + i];
  double total = 0;
  for (const double part : sum) total += part;
  return total;
}

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int at, std::size_t otherwise) {
    return argc > at ? static_cast<std::size_t>(std::strtoull(argv[at], nullptr, 10)) : otherwise;
  };
  const std::size_t mebibytes = number(1, 1024),
                    parts = number(2, static_cast<std::size_t>(omp_get_num_procs())), passes = number(3, 5);
  if (mebibytes == 0 || parts == 0 || passes == 0) return 2;
  constexpr std::size_t huge_page = 2 << 20;
  const std::size_t count = mebibytes * 1024 * 1024 / sizeof(double) / parts;
  void* const memory =
      std::aligned_alloc(huge_page, (count * parts * sizeof(double) / huge_page + 1) * huge_page);
  if (memory == nullptr) return 1;
  auto* const data = static_cast<double*>(memory);
  (void)::madvise(memory, count * parts * sizeof(double), MADV_HUGEPAGE);
  const int threads = static_cast<int>(parts);
  // Not initialized before: each part belongs where its thread first writes it.
#pragma omp parallel num_threads(threads)
  {
    const auto part = static_cast<std::size_t>(omp_get_thread_num());
    for (std::size_t i = 0; i < count; ++i) data[part * count + i] = static_cast<double>(i + part) * 0.5;
  }
  std::vector<double> rates, sums(parts);
  for (std::size_t pass = 0; pass < passes; ++pass) {
    const double begin = omp_get_wtime();
#pragma omp parallel num_threads(threads)
    {
      const auto part = static_cast<std::size_t>(omp_get_thread_num());
      sums[part] = sum_of(&data[part * count], count);
    }
    const double taken = omp_get_wtime() - begin;
    rates.push_back(static_cast<double>(count * parts * sizeof(double)) / taken / 1e9);
  }
  std::sort(rates.begin(), rates.end());
  double check = 0;
  for (const double sum : sums) check += sum;
  std::printf("best %.2f GB/s, median %.2f GB/s (%zu threads, %zu MiB, sum %g)\n", rates.back(),
              rates[rates.size() / 2], parts, mebibytes, check);
  std::free(memory);
  return 0;
}
