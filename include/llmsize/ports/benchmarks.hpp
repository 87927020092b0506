#pragma once
#include <string>
#include <vector>

#include "llmsize/core/result.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

/// Rates per second, one per repetition, and how they were come by.
struct MeasuredRates {
  std::vector<double> per_second;
  std::string how;      ///< "AVX-512 VNNI", "direct reads"; empty where there is nothing to say.
  bool cached = false;  ///< A cache may have answered in place of what was to be measured.
};

/// A memory reading to time: one worker per CPU, each reading its own share of the buffer.
struct MemoryReading {
  std::vector<int> cpus;  ///< One CPU for each worker, which is pinned to it.
  Bytes buffer;           ///< All workers' shares together.
  int repetitions = 5;
  double seconds = 1.5;               ///< All repetitions together take about this long at most.
  std::vector<int> interleave_nodes;  ///< Spread the buffer over these nodes; empty: each worker's own.
};

/// A storage reading to time.
struct StorageReading {
  std::string path;  ///< An existing file.
  Bytes most;        ///< Read at most this much.
  int requests = 1;  ///< In flight at a time.
  double seconds = 2;
  int repetitions = 5;
};

/// Operations that a compute benchmark repeats in registers.
enum class ComputeLoop { float_multiply_add, half_multiply_add, byte_dot_product, brain_float_dot_product };

/// A compute loop to time, on one pinned worker per CPU.
struct ComputeReading {
  ComputeLoop loop = ComputeLoop::float_multiply_add;
  std::vector<int> cpus;
  int repetitions = 5;
  double seconds = 0.1;  ///< Of each repetition.
};

/// Times the running machine. Each rate is taken from timestamps inside the workers (last end - first start),
/// since a coordinator that waits for threads can see too short a time.
class Benchmarks {
 public:
  virtual ~Benchmarks() = default;
  /// Bytes per second of reading memory that was written with non-constant data first: untouched memory is
  /// one shared page of zeros and reads at cache speed.
  [[nodiscard]] virtual Result<MeasuredRates> read_memory(const MemoryReading& reading) const = 0;
  /// Operations per second (a multiply-add is two) of all workers. Errors: unsupported where the processor
  /// has no such instructions.
  [[nodiscard]] virtual Result<MeasuredRates> compute(const ComputeReading& reading) const = 0;
  /// Bytes per second.
  [[nodiscard]] virtual Result<MeasuredRates> read_storage(const StorageReading& reading) const = 0;
};

}  // namespace llmsize
