#pragma once
#include "llmsize/ports/benchmarks.hpp"

namespace llmsize::io {

/// Benchmarks of the machine that llmsize runs on.
class LocalBenchmarks final : public Benchmarks {
 public:
  [[nodiscard]] Result<std::vector<double>> read_memory(const MemoryReading& reading) const override;
  [[nodiscard]] Result<std::vector<double>> compute(ComputeLoop loop, const std::vector<int>& cpus,
                                                    int repetitions) const override;
  [[nodiscard]] Result<std::vector<double>> read_storage(const StorageReading& reading,
                                                         bool& direct) const override;
};

}  // namespace llmsize::io
