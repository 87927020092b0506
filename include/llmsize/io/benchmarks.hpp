#pragma once
#include "llmsize/ports/benchmarks.hpp"

namespace llmsize::io {

/// Benchmarks of the machine that llmsize runs on.
class LocalBenchmarks final : public Benchmarks {
 public:
  [[nodiscard]] Result<MeasuredRates> read_memory(const MemoryReading& reading) const override;
  [[nodiscard]] Result<MeasuredRates> compute(const ComputeReading& reading) const override;
  [[nodiscard]] Result<MeasuredRates> read_storage(const StorageReading& reading) const override;
};

}  // namespace llmsize::io
