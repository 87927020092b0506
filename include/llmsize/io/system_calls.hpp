#pragma once
#include "llmsize/ports/system_calls.hpp"

namespace llmsize::io {

/// The running processor's registers.
class LocalProcessor final : public ProcessorRegisters {
 public:
  [[nodiscard]] std::optional<CpuidRegisters> cpuid(std::uint32_t leaf, std::uint32_t subleaf) const override;
  [[nodiscard]] std::optional<CpuidRegisters> cpuid_on(int cpu, std::uint32_t leaf,
                                                       std::uint32_t subleaf) const override;
  [[nodiscard]] std::uint64_t enabled_state() const override;
  [[nodiscard]] bool tiles_permitted() const override;
  [[nodiscard]] std::optional<std::array<std::uint64_t, 2>> arm_capabilities() const override;
};

/// The running kernel.
class LocalSystem final : public SystemCalls {
 public:
  [[nodiscard]] std::optional<std::vector<int>> affinity() const override;
  [[nodiscard]] std::optional<Bytes> free_space(const std::string& path) const override;
  [[nodiscard]] std::optional<std::string> real_path(const std::string& path) const override;
  [[nodiscard]] std::optional<Bytes> physical_memory() const override;
  [[nodiscard]] std::optional<std::string> machine() const override;
  [[nodiscard]] const ProcessorRegisters& processor() const override { return processor_; }
  [[nodiscard]] std::optional<std::string> memory_regions(const std::string& device,
                                                          const std::string& driver) const override;
  [[nodiscard]] Result<std::unique_ptr<DynamicLibrary>> open_library(const std::string& name) const override;

 private:
  LocalProcessor processor_;
};

}  // namespace llmsize::io
