#pragma once
#include <cstdint>
#include <vector>

#include "llmsize/ports/benchmarks.hpp"

namespace llmsize::io {

/// A loop that lives in registers.
struct ComputeKernel {
  ComputeLoop loop;
  const char* how;              ///< The instructions' name.
  double operations_per_round;  ///< A multiply-add is two.
  bool (*is_supported)();       ///< By the processor and the kernel.
  /// Returns what came out, which depends on every operation.
  double (*run)(std::int64_t rounds);
};

/// This build's kernels, the fastest of each loop first.
const std::vector<ComputeKernel>& compute_kernels();

}  // namespace llmsize::io
