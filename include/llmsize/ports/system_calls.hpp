#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "llmsize/core/result.hpp"
#include "llmsize/core/units.hpp"

namespace llmsize {

/// A shared library opened at run time; closed with the object.
class DynamicLibrary {
 public:
  virtual ~DynamicLibrary() = default;
  /// The address of a function; null where the library lacks it.
  [[nodiscard]] virtual void* symbol(const char* name) const = 0;
};

/// Registers eax, ebx, ecx, edx after CPUID.
using CpuidRegisters = std::array<std::uint32_t, 4>;

/// The processor's own word about its instruction sets. Tests replace it by recorded registers.
class ProcessorRegisters {
 public:
  virtual ~ProcessorRegisters() = default;
  /// CPUID; nothing on processors without it.
  [[nodiscard]] virtual std::optional<CpuidRegisters> cpuid(std::uint32_t leaf,
                                                            std::uint32_t subleaf) const = 0;
  /// CPUID as the logical CPU `cpu` answers it, since the cores of a hybrid processor differ. Nothing where
  /// this process may not run there.
  [[nodiscard]] virtual std::optional<CpuidRegisters> cpuid_on(int cpu, std::uint32_t leaf,
                                                               std::uint32_t subleaf) const = 0;
  /// Extended control register 0: which register files the kernel saves. Call only where CPUID says OSXSAVE.
  [[nodiscard]] virtual std::uint64_t enabled_state() const = 0;
  /// Whether the kernel lets this process use AMX tiles (asked with arch_prctl; costs nothing until used).
  [[nodiscard]] virtual bool tiles_permitted() const = 0;
  /// AT_HWCAP and AT_HWCAP2 of an ARM processor; nothing elsewhere.
  [[nodiscard]] virtual std::optional<std::array<std::uint64_t, 2>> arm_capabilities() const = 0;
};

/// What the probe asks the kernel beyond reading files. Absent under `--root`.
class SystemCalls {
 public:
  virtual ~SystemCalls() = default;
  /// CPUs that this process may run on.
  [[nodiscard]] virtual std::optional<std::vector<int>> affinity() const = 0;
  /// Bytes that an unprivileged user may still write below `path`.
  [[nodiscard]] virtual std::optional<Bytes> free_space(const std::string& path) const = 0;
  /// `path` without symbolic links.
  [[nodiscard]] virtual std::optional<std::string> real_path(const std::string& path) const = 0;
  [[nodiscard]] virtual std::optional<Bytes> physical_memory() const = 0;
  /// The kernel's name of the processor's architecture: "x86_64", "aarch64".
  [[nodiscard]] virtual std::optional<std::string> machine() const = 0;
  [[nodiscard]] virtual const ProcessorRegisters& processor() const = 0;
  /// What a graphics driver ("i915" or "xe") answers on `device` ("/dev/dri/renderD128") when it is asked for
  /// its memory regions, in its binary form. Nothing where it cannot be asked.
  [[nodiscard]] virtual std::optional<std::string> memory_regions(const std::string& device,
                                                                  const std::string& driver) const = 0;
  /// Errors: not_found where no such library is installed.
  [[nodiscard]] virtual Result<std::unique_ptr<DynamicLibrary>> open_library(
      const std::string& name) const = 0;
};

}  // namespace llmsize
