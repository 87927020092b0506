#pragma once
#include <string>
#include <vector>

#include "llmsize/core/result.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

/// A memory reading to time: one worker per CPU, each reading its own share of the buffer.
struct MemoryReading {
  std::vector<int> cpus;  ///< One CPU for each worker, which is pinned to it.
  Bytes buffer;           ///< All workers' shares together.
  int repetitions = 5;
};

/// A storage reading to time.
struct StorageReading {
  std::string path;  ///< An existing file.
  Bytes most;        ///< Read at most this much.
  int requests = 1;  ///< In flight at a time.
  double seconds = 2;
};

/// Operations that a compute benchmark repeats in registers.
enum class ComputeLoop { float_multiply_add, byte_dot_product };

/// Times the running machine. Rates are per second, a value per repetition; each is taken from timestamps
/// inside the workers (last end - first start), since a coordinator that waits for threads can see too short
/// a time.
class Benchmarks {
 public:
  virtual ~Benchmarks() = default;
  /// Bytes per second of reading memory that was written with non-constant data first: untouched memory is
  /// one shared page of zeros and reads at cache speed.
  [[nodiscard]] virtual Result<std::vector<double>> read_memory(const MemoryReading& reading) const = 0;
  /// Operations per second (a multiply-add is two) of all workers.
  [[nodiscard]] virtual Result<std::vector<double>> compute(ComputeLoop loop, const std::vector<int>& cpus,
                                                            int repetitions) const = 0;
  /// Bytes per second; `direct` is set where the page cache was bypassed.
  [[nodiscard]] virtual Result<std::vector<double>> read_storage(const StorageReading& reading,
                                                                 bool& direct) const = 0;
};

}  // namespace llmsize
